"""What a retry makes of a body, compared with what the connector makes of it. No broker."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from connectors.webhook.event_types import Requested
from connectors.webhook.records import Record, RecordFactory
from pipeline.events import EVENT_TYPES, Reason, UnusableBody
from pipeline.quarantine.entries import Entry, Filter, Row
from pipeline.quarantine.reading import Outcomes, Span
from pipeline.quarantine.retries import Outcome, Published, Retry
from pipeline.quarantine.retrying import UNREADABLE, Rules, event_of, judge
from tests.contracts.support import Written, kind_of
from tests.events.schema import definitions, valid_body

SOURCE = "https://norce.example.com/webhooks"
ORDER = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "Source": "WEB"}
CONTRADICTING = Reason.CONTRADICTORY_EVENT_TYPE


def entry(record: Record, partition: int = 3, offset: int = 17) -> Entry:
    """The entry that a record of the connector's becomes in the quarantine."""
    return Entry.of(
        SimpleNamespace(
            partition=partition,
            offset=offset,
            timestamp=record.timestamp,
            headers=record.headers,
            value=record.value,
        )
    )


def quarantined(names: tuple[str, ...], body: bytes, reason: Reason, factory: RecordFactory) -> Entry:
    return entry(factory.quarantined(Requested(names), UnusableBody(reason, "not usable"), body))


def at(moment: datetime, identity: str = "an-id") -> RecordFactory:
    return RecordFactory(SOURCE, mint=lambda: identity, now=lambda: moment)


def fits() -> Entry:
    """A body that fits, as an older connector would have put it aside."""
    factory = at(datetime.now(UTC))
    return quarantined(("OrderReceivedEvent",), json.dumps(ORDER).encode(), Reason.NOT_JSON, factory)


received = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize("name", [name for name, spec in EVENT_TYPES.items() if spec.documented])
def test_a_retried_body_is_the_record_that_the_connector_would_have_made_with_its_origin_added(name: str) -> None:
    @given(valid_body(definitions()[name]), received)
    def check(fields: dict[str, Any], moment: datetime) -> None:
        body, factory = json.dumps(fields).encode(), at(moment)
        kept = quarantined((name,), body, Reason.WRONG_FIELDS, factory)
        try:
            made = factory.accepted(Requested((name,)), body, accept_unknown=False)
        except UnusableBody:
            reject()  # what is refused has a test of its own
        record = event_of(kept, Rules())
        assert (record.id, record.topic, record.key, record.value) == (made.id, made.topic, made.key, made.value)
        assert record.headers == [*made.headers, ("norce_retried_from", b"norce.quarantine/3/17")]
        assert record.timestamp > 1_700_000_000_000, "kept for as long as any event that comes now"
        assert kind_of(Written(record.topic, record.key, record.value, tuple(record.headers))) == name

    check()


@given(st.binary(max_size=60))
def test_what_the_connector_refuses_is_refused_for_the_same_reason(body: bytes) -> None:
    factory = at(datetime.now(UTC))
    with pytest.raises(UnusableBody) as theirs:
        factory.accepted(Requested(("OrderReceivedEvent",)), body, accept_unknown=False)
    refusal = judge(Row(quarantined(("OrderReceivedEvent",), body, Reason.NOT_JSON, factory), None), Rules()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.detail, refusal.where) == (
        theirs.value.reason,
        theirs.value.detail,
        theirs.value.where,
    )


@pytest.mark.parametrize(
    ("names", "why", "rules", "ends"),
    [
        (("OrderRecieved",), Reason.UNKNOWN_EVENT_TYPE, Rules(), "unknown_event_type"),
        (("OrderRecieved",), Reason.UNKNOWN_EVENT_TYPE, Rules(accept_unknown=True), "OrderRecieved"),
        (
            ("OrderRecieved",),
            Reason.UNKNOWN_EVENT_TYPE,
            Rules(event_type="OrderReceivedEvent"),
            "OrderReceivedEvent",
        ),
        ((), Reason.MISSING_EVENT_TYPE, Rules(), "missing_event_type"),
        ((), Reason.MISSING_EVENT_TYPE, Rules(event_type="OrderReceivedEvent"), "OrderReceivedEvent"),
        (("OrderReceivedEvent", "X"), CONTRADICTING, Rules(), "contradictory_event_type"),
        (("OrderReceivedEvent", "X"), CONTRADICTING, Rules(event_type="OrderReceivedEvent"), "OrderReceivedEvent"),
        (("orderreceivedevent",), Reason.WRONG_FIELDS, Rules(), "OrderReceivedEvent"),
        (("JobCompletedEvent",), Reason.WRONG_FIELDS, Rules(), "wrong_fields"),
    ],
)
def test_a_body_is_tried_as_what_was_asked_for_or_as_what_the_operator_says(
    names: tuple[str, ...], why: Reason, rules: Rules, ends: str
) -> None:
    tried = judge(Row(quarantined(names, json.dumps(ORDER).encode(), why, at(datetime.now(UTC))), None), rules)
    assert (tried.event_type if tried.refusal is None else tried.refusal.reason) == ends


def test_what_somebody_else_wrote_into_the_quarantine_is_refused_and_not_an_error() -> None:
    stranger = Entry.of(SimpleNamespace(partition=0, offset=1, timestamp=5, headers=[("x", b"\xff")], value=None))
    assert (stranger.received_at, stranger.body) == (5000, b"")
    tried = judge(Row(stranger, None), Rules(event_type="OrderReceivedEvent"))
    assert tried.refusal is not None
    assert tried.refusal.reason == UNREADABLE


def test_what_was_retried_is_left_alone_unless_it_is_asked_for_again() -> None:
    row = Row(fits(), Outcome.RETRIED)
    left = judge(row, Rules())
    assert (left.record, left.refusal) == (None, None)
    assert judge(row, Rules(), again=True).record is not None
    assert not Filter().takes(row)
    assert Filter(settled=True).takes(row)


# -- what became of them ---------------------------------------------------------------------------------------------


def retry(offset: int, outcome: Outcome, event_id: str = "an-id") -> Retry:
    event = Published(topic="norce.events.order", partition=0, offset=9) if outcome is Outcome.RETRIED else None
    return Retry(
        command="c",
        by="somebody",
        partition=3,
        offset=offset,
        event_id=event_id,
        received_at=0,
        event_type="",
        outcome=outcome,
        event=event,
        refusal=None,
        at=0,
    )


@given(st.lists(st.tuples(st.integers(10, 20), st.sampled_from(Outcome)), max_size=40))
def test_the_last_word_about_a_body_stands_save_that_what_was_retried_stays_so(said: list[tuple[int, Outcome]]) -> None:
    outcomes = Outcomes(Span(3, 12, 19))
    for offset, outcome in said:
        outcomes.hear(retry(offset, outcome))
    for offset in range(12, 19):
        words = [outcome for place, outcome in said if place == offset]
        expected = Outcome.RETRIED if Outcome.RETRIED in words else words[-1] if words else None
        assert outcomes.of(replace(fits(), offset=offset)) is expected


def test_a_word_about_another_body_at_the_same_place_says_nothing() -> None:
    """A topic that was deleted and made anew begins at offset 0 again."""
    outcomes = Outcomes(Span(3, 0, 2))
    outcomes.hear(retry(1, Outcome.RETRIED, "of an older body"))
    outcomes.hear(retry(1, Outcome.STILL_REFUSED))
    assert outcomes.of(replace(fits(), offset=1)) is Outcome.STILL_REFUSED
    assert outcomes.of(replace(fits(), offset=0)) is None
