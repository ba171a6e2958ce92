"""State is the union of what was said: no order, repetition or grouping of events changes it."""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Arrival, OrderStatus, State, encode, enriched, merge, order_view, version
from tests.domain.events import (
    HOUR,
    KEY,
    arrival,
    bodies,
    event_sequences,
    failure,
    payment,
    received,
    state_of,
    status,
    times,
    view_of,
)

LIFE_CYCLE = [
    received(0),
    payment(1 * HOUR),
    status("Confirmed", 2 * HOUR),
    status("PartlyDelivered", 3 * HOUR),
    status("Delivered", 4 * HOUR),
    failure(5 * HOUR),
]


def test_all_permutations_of_six_life_cycle_events_end_in_one_state() -> None:
    ends = {encode(state_of(order)) for order in itertools.permutations(LIFE_CYCLE)}
    assert len(ends) == 1


def test_all_permutations_of_six_events_end_in_one_state_when_folded_one_by_one() -> None:
    ends = set()
    for order in itertools.permutations(LIFE_CYCLE):
        state = State()
        for event in order:
            state = state_of([event], state)
        ends.add(encode(state))
    assert len(ends) == 1


@given(event_sequences(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(events: list[Arrival], random: Random) -> None:
    again = [*events, *events]
    random.shuffle(again)
    assert encode(state_of(again)) == encode(state_of(events))


@given(event_sequences(), st.lists(st.integers(0, 3), min_size=15, max_size=15))
def test_batches_folded_apart_and_merged_are_the_events_folded_at_once(
    events: list[Arrival], batch_of: list[int]
) -> None:
    batches = [[event for event, batch in zip(events, batch_of, strict=False) if batch == n] for n in range(4)]
    merged = State()
    for batch in batches:
        merged = merge(merged, state_of(batch))
    assert merged == state_of(events)


@given(event_sequences())
def test_a_fold_is_the_merge_of_single_events(events: list[Arrival]) -> None:
    merged = State()
    for event in events:
        merged = merge(merged, state_of([event]))
    assert merged == state_of(events)


@given(event_sequences(6), event_sequences(6), event_sequences(6))
def test_merging_is_commutative_associative_and_idempotent(
    first: list[Arrival], second: list[Arrival], third: list[Arrival]
) -> None:
    a, b, c = state_of(first), state_of(second), state_of(third)
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(a, State()) == a


@given(event_sequences())
def test_the_version_grows_with_every_change_of_the_state(events: list[Arrival]) -> None:
    state = State()
    for event in events:
        after = state_of([event], state)
        assert (version(after) > version(state)) == (after != state)
        assert version(after) >= version(state)
        state = after


def test_the_version_counts_what_is_known_and_not_how_often_it_was_folded() -> None:
    first, again = received(0), received(HOUR)
    assert version(state_of([first, first, again])) == 2


TIMED = {"first_received_at", "last_changed_at", "last_received_at", "occurrences", "timeline", "timeline_omitted"}


def without_times(value: Any) -> Any:
    """A record without its id, version, times and numbers of occurrences."""
    if isinstance(value, dict):
        return {k: without_times(inner) for k, inner in value.items() if k not in TIMED | {"id", "version"}}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


@given(st.lists(bodies, min_size=1, max_size=8), st.data())
def test_what_an_order_shows_apart_from_times_does_not_depend_on_when_events_came(
    said: list[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    def shown() -> Any:
        events = [arrival(name, body, data.draw(times), f"event-{n}") for n, (name, body) in enumerate(said)]
        view = order_view(KEY, state_of(data.draw(st.permutations(events))))
        return without_times(json.loads(enriched(view)))

    assert shown() == shown()


@pytest.mark.parametrize("late", ["Confirmed", "PartlyDelivered", "ReadyForPickup", "Delivered"])
def test_a_cancelled_order_stays_cancelled_when_a_late_event_arrives(late: str) -> None:
    assert view_of(status("Cancelled", 0), status(late, HOUR)).status is OrderStatus.CANCELLED


def test_the_status_follows_the_rank_and_never_the_arrival() -> None:
    ranked = [
        ("Confirmed", OrderStatus.CONFIRMED),
        ("PartlyDelivered", OrderStatus.PARTLY_DELIVERED),
        ("ReadyForPickup", OrderStatus.READY_FOR_PICKUP),
        ("Delivered", OrderStatus.DELIVERED),
        ("Cancelled", OrderStatus.CANCELLED),
    ]
    for (lower, low), (higher, high) in itertools.combinations(ranked, 2):
        view = view_of(status(higher, 0), status(lower, HOUR))
        assert view.status is high
        assert view.statuses == (low, high)


def test_an_order_known_by_its_payment_only_has_no_status_yet() -> None:
    assert view_of(payment()).status is OrderStatus.UNKNOWN
    assert view_of(payment(), received()).status is OrderStatus.RECEIVED
