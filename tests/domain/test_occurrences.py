"""How often something happened, and which events are duplicates."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from pipeline.domain import REPEAT_WINDOW, Arrival, Outcome, State, fold, order_view
from tests.domain.events import HOUR, KEY, MINUTE, SECOND, event_sequences, failure, payment, received, status, view_of

APPLIED, DUPLICATE = Outcome.APPLIED, Outcome.DUPLICATE


def outcomes(*arrivals: Arrival) -> tuple[Outcome, ...]:
    return fold(KEY, None, arrivals).outcomes


@pytest.mark.parametrize("hours", [0, 1, 22])
def test_a_fact_that_happens_once_happened_once_whenever_it_is_delivered_again(hours: int) -> None:
    events = [status("Confirmed", 0), status("Confirmed", 1 + hours * HOUR)]
    assert len(view_of(*events).timeline) == 1
    assert outcomes(*events) == (APPLIED, DUPLICATE)


def test_a_payment_stated_again_is_no_second_payment() -> None:
    view = view_of(payment(0), payment(HOUR), payment(2 * HOUR))
    assert view.paid == {"SEK": "249.50"}
    assert len(view.timeline) == 1


def test_two_partial_deliveries_with_the_same_body_are_two() -> None:
    events = [status("PartlyDelivered", 0), status("PartlyDelivered", MINUTE)]
    assert [entry.occurrence for entry in view_of(*events).timeline] == [1, 2]
    assert outcomes(*events) == (APPLIED, APPLIED)


def test_a_repeatable_fact_delivered_again_within_the_window_happened_once() -> None:
    events = [status("PartlyDelivered", 0), status("PartlyDelivered", MINUTE - 1)]
    assert len(view_of(*events).timeline) == 1
    assert outcomes(*events) == (APPLIED, DUPLICATE)


def test_deliveries_each_within_the_window_of_the_one_before_are_one_occurrence() -> None:
    assert view_of(*[failure(step * 50 * SECOND) for step in range(5)]).subscription_failures[0].occurrences == 1


def test_the_window_is_a_parameter() -> None:
    events = [failure(0), failure(10 * SECOND), failure(30 * SECOND)]
    state = fold(KEY, None, events).state

    def occurrences(window: int) -> int:
        return order_view(KEY, state, repeat_window=window).subscription_failures[0].occurrences

    assert [occurrences(window * SECOND) for window in (5, 10, 15, 21)] == [3, 3, 2, 1]
    assert fold(KEY, None, events, repeat_window=5 * SECOND).outcomes == (APPLIED, APPLIED, APPLIED)


def test_a_failure_shows_when_its_first_and_its_latest_occurrence_came_and_no_redelivery() -> None:
    (shown,) = view_of(failure(0), failure(5 * SECOND), failure(HOUR), failure(HOUR + 5 * SECOND)).subscription_failures
    assert shown.occurrences == 2
    assert shown.first_received_at == "2026-01-01T00:00:00.000000Z"
    assert shown.last_received_at == "2026-01-01T01:00:00.000000Z"


def test_failures_that_say_different_things_are_counted_apart() -> None:
    view = view_of(failure(0), failure(1, ErrorMessage="no stock"), failure(2, SubscriptionId=4))
    assert [item.occurrences for item in view.subscription_failures] == [1, 1, 1]


def test_an_event_delivered_again_keeps_its_outcome() -> None:
    first, twin = received(0), received(5 * SECOND)
    state = fold(KEY, None, [first, twin]).state
    again = fold(KEY, state, [twin, first])
    assert again.outcomes == (DUPLICATE, APPLIED)
    assert again.state is state


def test_the_earliest_receipt_stands_for_the_fact_even_if_it_is_folded_last() -> None:
    late, early = received(HOUR), received(0)
    assert outcomes(late, early) == (DUPLICATE, APPLIED)
    assert view_of(late, early).timeline[0].event_id == early.event_id


@given(event_sequences())
def test_exactly_the_events_that_open_an_occurrence_are_applied(events: list[Arrival]) -> None:
    folded = fold(KEY, None, events)
    applied = {e.event_id for e, outcome in zip(events, folded.outcomes, strict=True) if outcome is APPLIED}
    view = order_view(KEY, folded.state)
    assert applied == {entry.event_id for entry in view.timeline}
    happened = Counter(entry.event_type for entry in view.timeline)
    assert happened.total() == len(applied)


@given(event_sequences())
def test_an_outcome_does_not_depend_on_how_events_were_grouped_if_they_come_in_order(events: list[Arrival]) -> None:
    ordered = sorted(events, key=lambda e: (e.received_at, e.event_id))
    state, one_by_one = State(), []
    for event in ordered:
        folded = fold(KEY, state, [event])
        state = folded.state
        one_by_one.append(folded.outcomes[0])
    assert tuple(one_by_one) == fold(KEY, None, ordered).outcomes


def test_the_default_window_is_a_minute() -> None:
    assert REPEAT_WINDOW == MINUTE
