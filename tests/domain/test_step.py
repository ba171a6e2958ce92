"""The whole way of events through one thing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from pipeline.domain import (
    Advance,
    Arrival,
    CorruptState,
    MisplacedEvent,
    Outcome,
    advance,
    decode,
    encode,
    enriched,
    order_view,
)
from tests.domain.events import HOUR, KEY, SECOND, event_sequences, payment, received, state_of


def step(stored: bytes | None, *events: Arrival) -> Advance:
    return advance(KEY, stored, events)


def test_a_first_event_stores_and_publishes() -> None:
    done = step(None, event := payment())
    assert done.stored is not None
    assert decode(done.stored) == state_of([event])
    assert done.record is not None
    assert json.loads(done.record)["version"] == 1
    assert (done.before, done.after) == (None, order_view(KEY, state_of([event])))
    assert done.outcomes == (Outcome.APPLIED,)


def test_an_event_delivered_again_stores_and_publishes_nothing() -> None:
    first = step(None, event := payment())
    assert step(first.stored, event, event) == Advance((Outcome.APPLIED, Outcome.APPLIED))


def test_a_duplicate_is_remembered_and_publishes_nothing() -> None:
    first = step(None, received(0))
    again = step(first.stored, received(SECOND))
    assert again.stored not in (None, first.stored)
    assert (again.outcomes, again.record) == ((Outcome.DUPLICATE,), None)


def test_no_events_are_no_change() -> None:
    assert step(None) == Advance(())


@given(event_sequences())
def test_steps_of_any_size_come_to_the_same_record(events: list[Arrival]) -> None:
    stored, record = None, None
    for event in events:
        done = step(stored, event)
        stored, record = done.stored or stored, done.record or record
    state = state_of(events)
    assert stored == encode(state) == step(None, *events).stored
    assert record is not None
    shown = json.loads(record)
    for name, value in json.loads(enriched(order_view(KEY, state))).items():
        assert name in {"id", "version"} or shown[name] == value


@given(event_sequences())
def test_a_state_at_hand_comes_to_the_same_as_one_that_is_read(events: list[Arrival]) -> None:
    stored, held = None, None
    for event in events:
        done = advance(KEY, stored, [event], held=held)
        assert done == step(stored, event)
        stored, held = done.stored or stored, done.held or held


def test_a_state_at_hand_that_is_not_the_stored_one_does_not_count() -> None:
    stored = step(None, received(0)).stored
    other = step(None, payment()).held
    assert other is not None
    event = payment()
    assert advance(KEY, stored, [event], held=other) == step(stored, event)
    assert advance(KEY, None, [event], held=other) == step(None, event)


def test_a_step_that_fails_names_the_cause() -> None:
    with pytest.raises(CorruptState):
        step(b"{", payment())
    with pytest.raises(MisplacedEvent):
        step(None, received(HOUR), payment(ClientOrderRef="other"))
