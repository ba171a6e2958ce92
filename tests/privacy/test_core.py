"""Pseudonyms, keys, seals and merging, without Kafka."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import EVENT_TYPES
from pipeline.privacy.errors import (
    BrokenSeal,
    Forgotten,
    MalformedRecord,
    UnknownEncryptionKey,
    WrongEncryptionKey,
)
from pipeline.privacy.identifiers import PERSONAL_FIELDS, PERSONAL_TOPICS, Identifier, email, phone
from pipeline.privacy.personal import MAX_VALUES, identifiers, merge
from pipeline.privacy.requests import decode_request, encode_request
from pipeline.privacy.sealing import lock_names, seal, unseal
from pipeline.privacy.wrapping import DataKey, Wrapping, new_data_key
from tests.privacy.support import counted, ring, secret, wrapping

ANNA = Identifier("email", "test@example.com")


# -- who is meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["test@example.com", " Test@Example.COM \n", "TEST@EXAMPLE.COM"])
def test_spellings_of_an_address_are_one_person(spelling: str) -> None:
    assert email(spelling) == ANNA


@pytest.mark.parametrize("spelling", ["+46 70-555 01 02", "0046705550102", "46 (70) 5550102", "４６７０５５５０１０２"])  # noqa: RUF001
def test_spellings_of_a_number_are_one_person(spelling: str) -> None:
    assert phone(spelling) == Identifier("phone", "46705550102")


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_address_or_number_identifies_nobody(nothing: str) -> None:
    assert email(nothing) is None
    assert phone(nothing + "-") is None


def test_what_is_personal_is_what_the_event_models_mark() -> None:
    assert PERSONAL_FIELDS == {"email": "email", "cell_phone": "phone", "first_name": "name", "last_name": "name"}
    assert set(PERSONAL_TOPICS) == {spec.topic for spec in EVENT_TYPES.values() if spec.personal_data}


def test_an_identifier_does_not_show_in_a_log() -> None:
    assert "test" not in f"{ANNA!r} {ANNA}"


# -- pseudonyms ------------------------------------------------------------------------------------------------------


def test_a_pseudonym_is_always_the_same_and_names_its_key() -> None:
    (once,) = ring(1).published(103, ANNA)
    assert ring(1).published(103, ANNA) == [once]
    assert once.startswith("p1:")
    assert len(once) == 46
    assert "test" not in once


@pytest.mark.parametrize(
    ("key", "client", "person"),
    [
        (2, 103, ANNA),
        (1, 104, ANNA),
        (1, 103, Identifier("email", "b@example.com")),
        (1, 103, Identifier("phone", "1")),
    ],
)
def test_another_key_client_or_person_is_another_pseudonym(key: int, client: int, person: Identifier) -> None:
    (one,) = ring(1).published(103, ANNA)
    (other,) = ring(key).published(client, person)
    assert one.partition(":")[2] != other.partition(":")[2]


def test_an_address_and_a_number_with_the_same_text_are_two_persons() -> None:
    assert ring(1).published(1, Identifier("email", "46")) != ring(1).published(1, Identifier("phone", "46"))


def test_while_keys_overlap_a_record_carries_both_pseudonyms_and_old_ones_can_be_joined() -> None:
    old, both, new = ring(1), ring(1, 2), ring(1, 2, retired=("p1",))
    assert both.published(1, ANNA) == [*ring(2).published(1, ANNA), *old.published(1, ANNA)]
    assert new.published(1, ANNA) == ring(2).published(1, ANNA)


def test_a_person_is_still_found_by_a_retired_key() -> None:
    assert set(ring(1).names(1, ANNA)) < set(ring(1, 2, retired=("p1",)).names(1, ANNA))


# -- data keys -------------------------------------------------------------------------------------------------------


def test_a_data_key_comes_back_from_its_record_and_the_record_does_not_show_it() -> None:
    key = new_data_key(counted())
    record = wrapping(1).wrap("1:p1:x", key)
    assert wrapping(1).unwrap("1:p1:x", record) == (key, True)
    assert key.secret not in record
    assert repr(key.secret) not in repr(key)


def test_after_a_rotation_old_data_keys_open_and_say_that_they_want_wrapping_again() -> None:
    key = new_data_key(counted())
    old = wrapping(1).wrap("n", key)
    assert wrapping(1, 2).unwrap("n", old) == (key, False)
    assert wrapping(1, 2).unwrap("n", wrapping(1, 2).wrap("n", key)) == (key, True)


def test_a_missing_and_a_wrong_key_encryption_key_are_named_and_never_taken_for_forgotten() -> None:
    record = wrapping(1).wrap("n", new_data_key(counted()))
    with pytest.raises(UnknownEncryptionKey, match="'k1'"):
        wrapping(2).unwrap("n", record)
    with pytest.raises(WrongEncryptionKey, match="'k1'"):
        Wrapping({"k1": secret(9)}, "k1", counted()).unwrap("n", record)


def test_a_data_key_under_another_persons_name_does_not_open() -> None:
    record = wrapping(1).wrap("1:p1:a", new_data_key(counted()))
    with pytest.raises(WrongEncryptionKey):
        wrapping(1).unwrap("1:p1:b", record)


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"\xff", b'{"id": 1, "kek": "k1", "key": "%"}'])
def test_bytes_that_are_no_record_are_a_named_error(record: bytes) -> None:
    with pytest.raises(MalformedRecord):
        wrapping(1).unwrap("n", record)
    with pytest.raises(MalformedRecord):
        unseal("k", record, lambda name: None)
    with pytest.raises(MalformedRecord):
        decode_request(record)


# -- seals -----------------------------------------------------------------------------------------------------------

VALUES = {"email": ("test@example.com",), "first_name": ("Test",)}
KEYS = {"a": DataKey("1", secret(1)), "b": DataKey("2", secret(2))}


def test_a_record_opens_with_all_its_keys() -> None:
    record = seal("1:2:77", VALUES, KEYS, counted())
    assert unseal("1:2:77", record, KEYS.get) == VALUES
    assert lock_names(record) == ["a", "b"]
    assert b"test" not in record.lower()


@pytest.mark.parametrize("destroyed", ["a", "b"])
def test_any_destroyed_key_closes_it_for_good(destroyed: str) -> None:
    record = seal("1:2:77", VALUES, KEYS, counted())
    left = {name: key for name, key in KEYS.items() if name != destroyed}
    with pytest.raises(Forgotten, match=destroyed):
        unseal("1:2:77", record, left.get)


def test_the_new_key_of_a_person_who_came_back_opens_nothing_of_before() -> None:
    record = seal("1:2:77", VALUES, KEYS, counted())
    with pytest.raises(Forgotten):
        unseal("1:2:77", record, {**KEYS, "a": DataKey("3", secret(3))}.get)


@pytest.mark.parametrize("change", ["key", "locks", "ciphertext"])
def test_a_record_that_was_moved_or_altered_does_not_open(change: str) -> None:
    found: dict[str, Any] = json.loads(seal("1:2:77", VALUES, KEYS, counted()))
    if change == "locks":
        found["locks"].reverse()
    if change == "ciphertext":
        found["ciphertext"] = found["ciphertext"].swapcase()
    with pytest.raises(BrokenSeal):
        unseal("1:2:78" if change == "key" else "1:2:77", json.dumps(found).encode(), KEYS.get)


# -- merging ---------------------------------------------------------------------------------------------------------

texts = st.sampled_from([f"{n}@example.com" for n in range(12)])
personal = st.dictionaries(st.sampled_from(sorted(PERSONAL_FIELDS)), texts.map(lambda text: (text,)), min_size=1)


@given(st.lists(personal, min_size=1, max_size=30).flatmap(lambda all: st.tuples(st.just(all), st.permutations(all))))
def test_the_values_of_an_order_depend_neither_on_the_order_nor_on_the_number_of_its_events(pair: Any) -> None:
    some, shuffled = pair
    assert _merged(some) == _merged([*shuffled, *some])
    assert all(len(values) <= MAX_VALUES for values in _merged(some).values())


def _merged(some: list[Any]) -> Any:
    result: Any = {}
    for one in some:
        result = merge(result, one)
    return result


def test_contradicting_values_all_stand_there() -> None:
    merged = merge({"email": ("b@example.com",)}, {"email": ("a@example.com",), "cell_phone": ("1",)})
    assert merged == {"email": ("a@example.com", "b@example.com"), "cell_phone": ("1",)}
    assert len(identifiers(merged)) == 3


def test_a_request_to_forget_holds_names_of_keys_only() -> None:
    names = ring(1).names(1, ANNA)
    assert decode_request(encode_request(names)) == names
    assert b"test" not in encode_request(names)
