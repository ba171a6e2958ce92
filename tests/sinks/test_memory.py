"""What was sent decides what need not be sent again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import ConnectContent, ConnectUpdate, Info, UnknownStateLayout
from pipeline.sinks.memory import Sent


def update(version: int, value: str, **changes: Any) -> ConnectUpdate:
    content = ConnectContent(infos=(Info(code="PaidAmount", value=value),), order_status=None)
    told = {"client_order_ref": "77", "order_no": "SO77", **changes}
    return ConnectUpdate(
        id=f"{version}{value}", client_id=1, application_id=2, version=version, content=content, **told
    )


@given(st.integers(1, 100), st.integers(1, 100), st.sampled_from("ab"), st.sampled_from("ab"))
def test_only_an_older_version_or_the_same_content_is_left_out(first: int, second: int, was: str, now: str) -> None:
    verdict = Sent.of(update(first, was)).judge(update(second, now))
    if second < first:
        assert verdict == "superseded"
    else:
        assert verdict == ("unchanged" if was == now else None)


def test_a_new_order_number_is_news_even_with_the_same_infos() -> None:
    assert Sent.of(update(1, "a")).judge(update(2, "a", order_no="SO78")) is None


@given(st.integers(1, 10**9), st.text(max_size=20))
def test_the_memory_survives_storage(version: int, value: str) -> None:
    sent = Sent.of(update(version, value))
    assert Sent.decode(sent.encode()) == sent


@given(st.sampled_from("ab"), st.sampled_from("ab"))
def test_a_replay_sends_the_same_again_once_and_never_something_older(was: str, now: str) -> None:
    sent = Sent.of(update(2, was))
    assert sent.judge(update(2, now), "replay") is None
    assert Sent.of(update(2, now), "replay").judge(update(2, now), "replay") == "unchanged", "it is read again"
    assert sent.judge(update(1, now), "replay") == "superseded"


def test_a_memory_that_was_written_before_there_were_replays_is_read() -> None:
    sent = Sent.of(update(1, "a"))
    assert b"replay" not in sent.encode()
    assert Sent.decode(Sent.of(update(1, "a"), "c").encode()).replay == "c"


def test_an_older_version_leaves_out_what_a_newer_one_adds_to_what_was_sent() -> None:
    assert Sent.decode(b'{"v":1,"id":"a","version":3,"digest":"d","added":[1]}') == Sent("a", 3, "d")


def test_what_a_newer_layout_says_was_sent_is_not_read_as_something_else() -> None:
    with pytest.raises(UnknownStateLayout, match=r"what was sent cannot be read: Invalid value 2 - at `\$.v`"):
        Sent.decode(b'{"v":2,"id":"a","version":3,"digest":"d"}')
