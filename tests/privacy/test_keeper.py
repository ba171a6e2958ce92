"""From records to tables and pseudonyms: who can read what, before and after a person is forgotten."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.privacy import keeper
from pipeline.privacy.errors import Forgotten, UnknownEncryptionKey, WrongEncryptionKey
from pipeline.privacy.forgetting import names_of
from pipeline.privacy.identifiers import Identifier, email, phone
from pipeline.privacy.keeper import Keeper, Work
from pipeline.privacy.pseudonyms import Pseudonyms
from pipeline.privacy.requests import PUBLISHED, REQUEST, TICK, encode_request
from pipeline.privacy.sealing import unseal
from pipeline.privacy.topics import FORGET
from pipeline.privacy.wrapping import Wrapping
from tests.privacy.support import (
    DIGITS,
    EMAIL,
    FIRST,
    LAST,
    PHONE,
    PLANTED,
    Tables,
    buyer,
    counted,
    event,
    reader,
    ring,
    secret,
    wrapping,
)

KEY = b"1:2:77"


class Partition:
    """One partition with its tables."""

    def __init__(self, pseudonyms: Pseudonyms | None = None, keys: Wrapping | None = None) -> None:
        self.tables = Tables()
        self.random = counted()
        self.settings(pseudonyms or ring(1), keys or wrapping(1))

    def settings(self, pseudonyms: Pseudonyms, keys: Wrapping) -> None:
        self.pseudonyms, self.wrapping = pseudonyms, keys
        self.keeper = Keeper(pseudonyms, keys, self.random)

    def take(self, *records: Any) -> Work:
        work = self.keeper.step(records, reader(self.tables.keys), reader(self.tables.rows), self.scan)
        self.tables.apply(work.keys, work.rows)
        return work

    def scan(self, begin: bytes | None) -> list[tuple[bytes, bytes]]:
        return [(key, row) for key, row in sorted(self.tables.rows.items()) if begin is None or key >= begin]

    def tick(self) -> Work:
        return self.take(SimpleNamespace(topic=FORGET, partition=0, offset=0, key=TICK, value=b"{}"))

    def forget(self, *persons: Identifier | None) -> Work:
        names = names_of(self.pseudonyms, [1], [person for person in persons if person], [])
        return self.take(SimpleNamespace(topic=FORGET, partition=0, offset=0, key=REQUEST, value=encode_request(names)))

    def read(self, key: bytes = KEY, row: bytes | None = None) -> Any:
        def key_of(name: str) -> Any:
            stored = self.tables.keys.get(name.encode())
            return None if stored is None else self.wrapping.unwrap(name, stored)[0]

        return unseal(key.decode(), row or self.tables.rows[key], key_of)


@pytest.fixture
def partition() -> Partition:
    return Partition()


def test_an_orders_values_are_kept_sealed_and_its_buyer_is_public_as_pseudonyms(partition: Partition) -> None:
    work = partition.take(buyer())
    assert partition.read() == {"email": (EMAIL,), "cell_phone": (PHONE,), "first_name": (FIRST,), "last_name": (LAST,)}
    record = json.loads(work.buyers[KEY])
    assert record.pop("id")
    assert record == {
        "client_id": 1,
        "email": ring(1).published(1, Identifier("email", EMAIL)),
        "phone": ring(1).published(1, Identifier("phone", DIGITS)),
    }


def test_no_value_is_in_a_table_a_public_record_or_a_log(
    partition: Partition, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    work = partition.take(buyer(), buyer(ref="78"), event("OrderConfirmedEvent", FirstName=FIRST, CellPhone=PHONE))
    partition.forget(email(EMAIL))
    partition.take(SimpleNamespace(topic=FORGET, partition=0, offset=0, key=REQUEST, value=EMAIL.encode()))
    everything = repr((partition.tables.keys, partition.tables.rows, work)) + caplog.text + "".join(capsys.readouterr())
    assert [value for value in PLANTED if value in everything] == []


def test_two_orders_of_one_buyer_carry_one_pseudonym_and_one_key(partition: Partition) -> None:
    one = partition.take(event(Email=EMAIL))
    two = partition.take(event(ref="78", Email=EMAIL.upper() + " "))
    assert json.loads(one.buyers[KEY])["email"] == json.loads(two.buyers[b"1:2:78"])["email"]
    assert len(partition.tables.keys) == 1


def test_a_repeat_and_an_event_without_personal_values_change_nothing(partition: Partition) -> None:
    partition.take(buyer())
    for again in (buyer(), event(), event("OrderConfirmedEvent", FirstName=FIRST), event(Email=" ")):
        work = partition.take(again)
        assert (work.keys, work.rows, work.buyers) == ({}, {}, {})


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_what_is_kept_depends_neither_on_the_order_nor_on_the_number_of_events(
    order: list[int], repeats: list[int]
) -> None:
    events = [
        buyer(),
        event("OrderConfirmedEvent", CellPhone="070 1", FirstName=FIRST),
        event("OrderDeliveredEvent", CellPhone=PHONE, LastName="Other"),
        event("OrderReceivedEvent", Email="other@example.com"),
    ]
    straight, shuffled = Partition(), Partition()
    first = [straight.take(each) for each in events]
    last = [shuffled.take(events[number]) for number in [*order, *repeats]]
    assert straight.read() == shuffled.read()
    assert set(straight.tables.keys) == set(shuffled.tables.keys)
    assert _newest(first) == _newest(last)


def _newest(works: list[Work]) -> bytes:
    return [work.buyers[KEY] for work in works if work.buyers][-1]


@pytest.mark.parametrize("who", [[email(EMAIL)], [phone(PHONE)], [email(EMAIL), phone(PHONE)]])
def test_a_person_forgotten_by_address_or_number_cannot_be_read_and_all_others_can(
    partition: Partition, who: list[Identifier]
) -> None:
    partition.take(buyer(), event(ref="78", Email="other@example.com"))
    work = partition.forget(*who)
    assert work.forgets
    with pytest.raises(Forgotten):
        partition.read()
    assert partition.read(b"1:2:78") == {"email": ("other@example.com",)}


def test_an_order_with_names_only_is_locked_with_a_key_of_its_own(partition: Partition) -> None:
    partition.take(event(FirstName=FIRST), event(ref="78", FirstName=FIRST))
    assert partition.read() == {"first_name": (FIRST,)}
    partition.forget(Identifier("order", KEY.decode()))
    with pytest.raises(Forgotten):
        partition.read()
    assert partition.read(b"1:2:78") == {"first_name": (FIRST,)}


def test_who_comes_back_is_kept_anew_and_nothing_of_before_opens_again(partition: Partition) -> None:
    partition.take(buyer(), buyer(ref="78"))
    old = partition.tables.rows[KEY]
    partition.forget(email(EMAIL), phone(PHONE))
    partition.take(event("OrderDeliveredEvent", CellPhone=PHONE))
    assert partition.read() == {"cell_phone": (PHONE,)}
    for key, row in ((KEY, old), (b"1:2:78", None)):
        with pytest.raises(Forgotten):
            partition.read(key, row)


def test_forgetting_and_coming_back_within_one_step_leaves_the_new_key_only(partition: Partition) -> None:
    partition.take(event(Email=EMAIL))
    names = names_of(partition.pseudonyms, [1], [Identifier("email", EMAIL)], [])
    request = SimpleNamespace(topic=FORGET, partition=0, offset=0, key=REQUEST, value=encode_request(names))
    partition.take(event(ref="78", Email=EMAIL), request, event(ref="79", Email=EMAIL))
    assert partition.read(b"1:2:79") == {"email": (EMAIL,)}
    for key in (KEY, b"1:2:78"):
        with pytest.raises(Forgotten):
            partition.read(key)


def test_a_person_kept_under_an_old_pseudonym_key_is_found_and_forgotten_after_the_rotation(
    partition: Partition,
) -> None:
    partition.take(event(Email=EMAIL))
    partition.settings(ring(1, 2, retired=("p1",)), wrapping(1))
    work = partition.take(event(ref="78", Email=EMAIL))
    assert len(partition.tables.keys) == 1
    assert all(name.startswith("p2:") for name in json.loads(work.buyers[b"1:2:78"])["email"])
    partition.forget(email(EMAIL))
    assert partition.tables.keys == {}


def test_after_a_rotation_the_pseudonyms_of_orders_that_do_not_change_are_published_anew(partition: Partition) -> None:
    person = Identifier("email", EMAIL)
    assert not partition.tick().buyers
    partition.take(event(Email=EMAIL), event(ref="78", Email="other@example.com"))
    assert not partition.tick().buyers
    partition.settings(ring(1, 2), wrapping(1))
    work = partition.tick()
    assert set(work.buyers) == {KEY, b"1:2:78"}
    assert json.loads(work.buyers[KEY])["email"] == sorted(ring(1, 2).published(1, person))
    assert not partition.tick().buyers, "once is enough"
    partition.settings(ring(1, 2, retired=("p1",)), wrapping(1))
    assert json.loads(partition.tick().buyers[KEY])["email"] == ring(2).published(1, person)


def test_a_sweep_takes_many_orders_in_several_goes_and_leaves_out_who_was_forgotten(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SWEPT_AT_ONCE", 3)
    partition.tick()
    partition.take(*[event(ref=str(number), Email=f"{number}@example.com") for number in range(10, 20)])
    partition.forget(email("13@example.com"))
    partition.settings(ring(1, 2), wrapping(1))
    goes = [partition.tick()]
    while goes[-1].unswept:
        goes.append(partition.tick())
    assert [len(go.buyers) for go in goes] == [3, 2, 3, 1]
    assert {key for go in goes for key in go.buyers} == {f"1:2:{n}".encode() for n in range(10, 20) if n != 13}


def test_a_data_key_that_is_used_after_a_rotation_is_wrapped_with_the_new_key(partition: Partition) -> None:
    partition.take(event(Email=EMAIL))
    partition.settings(ring(1), wrapping(1, 2))
    partition.take(event(ref="78", Email=EMAIL))
    partition.settings(ring(1), Wrapping({"k2": secret(102)}, "k2", counted()))
    assert partition.read() == {"email": (EMAIL,)}


@pytest.mark.parametrize(
    ("keys", "error"),
    [(wrapping(2), UnknownEncryptionKey), (Wrapping({"k1": secret(9)}, "k1", counted()), WrongEncryptionKey)],
)
def test_with_a_wrong_ring_nothing_is_written(partition: Partition, keys: Wrapping, error: type[Exception]) -> None:
    partition.take(buyer())
    before = (dict(partition.tables.keys), dict(partition.tables.rows))
    partition.settings(ring(1), keys)
    with pytest.raises(error):
        partition.take(event("OrderDeliveredEvent", CellPhone="070 2"))
    assert (partition.tables.keys, partition.tables.rows) == before


@pytest.mark.parametrize(
    "bad",
    [
        {"headers": []},
        {"value": b"{}"},
        {"value": None},
        {"value": b"\xff"},
        {"key": b"\xff"},
        {"key": None},
        {"topic": FORGET, "key": REQUEST, "value": b"nonsense"},
        {"topic": FORGET, "key": REQUEST, "value": b'{"names": [1]}'},
        {"topic": FORGET, "key": REQUEST, "value": None},
        {"topic": FORGET, "key": TICK},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_used_stops_nobody(partition: Partition, bad: dict[str, Any]) -> None:
    partition.take(SimpleNamespace(**{**vars(buyer()), **bad}), event(ref="78", Email=EMAIL))
    assert partition.tables.rows.keys() - {PUBLISHED} == {b"1:2:78"}
