"""Limits: a state that would grow too large refuses the event, by name, and stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import (
    Arrival,
    MisplacedEvent,
    State,
    StateLimitExceeded,
    UnreadableEvent,
    encode,
    enriched,
    fold,
    limits,
    merge,
    order_view,
)
from pipeline.events import EVENT_TYPES
from tests.domain.events import HOUR, KEY, SECOND, START, failure, payment, received, state_of, status, view_of


def test_one_fact_too_many_is_refused_and_a_known_one_is_not() -> None:
    full = state_of(status("Confirmed", OrderId=number) for number in range(limits.MAX_FACTS))
    with pytest.raises(StateLimitExceeded, match="500 facts") as refused:
        fold(KEY, full, [one_more := received()])
    assert refused.value.event_id == one_more.event_id
    assert len(fold(KEY, full, [status("Confirmed", 1, OrderId=7)]).state.facts) == limits.MAX_FACTS


def test_one_receipt_too_many_is_refused_and_a_redelivery_is_not() -> None:
    events = [received(number) for number in range(limits.MAX_RECEIPTS)]
    full = state_of(events)
    with pytest.raises(StateLimitExceeded, match="256 receipts"):
        fold(KEY, full, [received(HOUR)])
    assert fold(KEY, full, events[-3:]).state is full


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(StateLimitExceeded, match="bytes"):
        state_of(failure(number, ErrorMessage=f"{number} " + "x" * 490) for number in range(450))


def test_merging_obeys_the_same_limits() -> None:
    halves = [state_of(status("Confirmed", OrderId=half * 300 + number) for number in range(300)) for half in range(2)]
    with pytest.raises(ValueError, match="500 facts"):
        merge(*halves)


@pytest.mark.parametrize("name", ["OrderNo", "Source", "DropPointCode"])
def test_a_text_that_is_too_long_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(StateLimitExceeded, match="more than 255 characters") as refused:
        state_of([status("ReadyForPickup", **{name: "y" * 256})])  # type: ignore[arg-type]
    assert "yy" not in str(refused.value)


def test_an_error_message_is_cut_and_not_refused() -> None:
    (shown,) = view_of(failure(ErrorMessage="x" * 5000)).subscription_failures
    assert shown.error_message == "x" * limits.MAX_ERROR_MESSAGE


@pytest.mark.parametrize("at", [-START - 1, limits.LATEST_RECEIPT])
def test_a_time_that_is_no_date_is_refused(at: int) -> None:
    with pytest.raises(StateLimitExceeded, match="years 1970 to 9999"):
        state_of([received(at)])


@pytest.mark.parametrize("event_id", ["", "x" * 65])
def test_an_event_id_that_is_none_is_refused(event_id: str) -> None:
    with pytest.raises(StateLimitExceeded, match="event id"):
        state_of([Arrival("OrderReceivedEvent", received().body, event_id, START)])


def test_nothing_of_a_batch_is_folded_if_one_event_cannot_be() -> None:
    before = state_of([received()])
    stored = encode(before)
    for bad in (payment(Amount=1e300), payment(ClientOrderRef="other")):
        with pytest.raises((StateLimitExceeded, MisplacedEvent)) as refused:
            fold(KEY, before, [status("Confirmed"), bad, payment()])
        assert refused.value.event_id == bad.event_id
        assert encode(before) == stored


@pytest.mark.parametrize(
    ("event_type", "body"),
    [
        ("OrderReceivedEvent", b"{"),
        ("OrderReceivedEvent", b'{"ClientId":1,"ApplicationId":2,"ClientOrderRef":1001,"Source":"Secretname"}'),
        (
            "OrderReceivedEvent",
            EVENT_TYPES["JobCompletedEvent"].model.model_validate({"ClientId": 1, "JobId": 2, "StatusId": 3}),
        ),
        ("ExportDeliveredEvent", b"{}"),
        ("NoSuchEvent", b"{}"),
    ],
)
def test_an_unreadable_event_is_refused_without_repeating_its_values(event_type: str, body: Any) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        fold(KEY, None, [Arrival(event_type, body, "event-x", START)])
    assert refused.value.event_id == "event-x"
    assert "Secretname" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_a_parsed_event_folds_as_its_body_does() -> None:
    event = payment()
    assert isinstance(event.body, bytes)
    parsed = EVENT_TYPES[event.event_type].model.model_validate_json(event.body)
    same = Arrival(event.event_type, parsed, event.event_id, event.received_at)
    assert state_of([same]) == state_of([event])


def test_a_timeline_keeps_the_latest_entries_and_counts_the_others() -> None:
    view = view_of(*[failure(number * HOUR) for number in range(limits.MAX_TIMELINE + 5)])
    assert len(view.timeline) == limits.MAX_TIMELINE
    assert view.timeline_omitted == 5
    assert view.timeline[-1].occurrence == limits.MAX_TIMELINE + 5
    assert view.first_received_at == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("code", "text", "facts_per_payment"),
    [("", "\x01" * 30, 2), ("\x01" * 240, "\x01", 2), ("", "", 1), ("", "x", 2), ("\x01" * 100, "\x01" * 50, 3)],
)
def test_the_largest_state_makes_a_record_that_kafka_takes(code: str, text: str, facts_per_payment: int) -> None:
    """States filled up with the texts that grow most on their way into a record."""
    state = State()
    for number in range(limits.MAX_FACTS):
        fields = dict.fromkeys(("PaymentRef", "PaymentMethodCode", "ErpOrderNo", "CurrencyCode"), f"{number}{text}")
        event = payment(number, PaymentCode=f"{number // facts_per_payment}{code}", Amount=number, **fields)
        try:
            state = state_of([event], state)
        except StateLimitExceeded:
            break
    assert len(encode(state)) > 0.9 * limits.MAX_STATE_BYTES or len(state.facts) == limits.MAX_FACTS
    assert len(enriched(order_view(KEY, state))) < 1_000_000


def test_no_state_that_is_not_weighed_is_too_large() -> None:
    text = "\x01" * limits.MAX_TEXT  # six bytes a character in JSON
    names = ("PaymentRef", "PaymentMethodCode", "ErpOrderNo", "CurrencyCode")
    said = [
        payment(number, PaymentCode=f"{number:02}{text[2:]}", **dict.fromkeys(names, text))
        for number in range(limits.UNWEIGHED_RECEIPTS)
    ]
    events = [
        Arrival(e.event_type, e.body, f"{n:02}{text[: limits.MAX_EVENT_ID - 2]}", START) for n, e in enumerate(said)
    ]
    assert 0.9 * limits.MAX_STATE_BYTES < len(encode(state_of(events))) <= limits.MAX_STATE_BYTES


def test_limits_are_far_from_an_ordinary_order() -> None:
    ordinary = state_of([received(), *[failure(number * 100 * SECOND) for number in range(12)], payment()])
    assert len(encode(ordinary)) * 100 < limits.MAX_STATE_BYTES
