"""What a state says of an event afterwards agrees with the outcome that was said when it came, however it came."""

import json
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Arrival, Key, Outcome, Receipt, State, fold, forgotten, holdings
from pipeline.events import EVENT_TYPES, NorceEvent
from tests.domain.events import KEY, MINUTE, event_sequences
from tests.domain.groups import PRODUCT, group_sequences, price, state_of


def event_of(arrival: Arrival) -> NorceEvent:
    assert isinstance(arrival.body, bytes)
    return EVENT_TYPES[arrival.event_type].model.model_validate_json(arrival.body)


def receipt_of(arrival: Arrival) -> Receipt:
    return Receipt(received_at=arrival.received_at, event_id=arrival.event_id)


def check(key: Key, arrivals: list[Arrival], sizes: list[int]) -> None:
    """Fold the arrivals in groups, and compare what was said with what can be read off the state in the end."""
    state: State | None = None
    said: dict[str, Outcome] = {}
    left = iter(arrivals)
    for size in [*sizes, len(arrivals)]:
        group = list(islice(left, size))
        folded = fold(key, state, group)
        state = folded.state
        said |= {arrival.event_id: outcome for arrival, outcome in zip(group, folded.outcomes, strict=True)}
    assert state is not None
    held = {each.receipt: each for each in holdings(state)}
    for arrival in arrivals:
        holding = held.get(receipt_of(arrival))
        assert forgotten(state, event_of(arrival), receipt_of(arrival)) is (holding is None)
        if holding is not None:
            assert holding.event_type == arrival.event_type
            assert said[arrival.event_id] != Outcome.STALE
            assert not holding.first or said[arrival.event_id] == Outcome.APPLIED


SIZES = st.lists(st.integers(1, 3), max_size=5)


@given(event_sequences(), SIZES)
def test_the_first_of_each_occurrence_of_an_order_was_applied_and_nothing_is_forgotten(
    arrivals: list[Arrival], sizes: list[int]
) -> None:
    check(KEY, arrivals, sizes)


@given(group_sequences(), SIZES)
def test_what_a_register_does_not_hold_any_more_is_known_to_be_forgotten(
    found: tuple[Key, list[Arrival]], sizes: list[int]
) -> None:
    check(*found, sizes)


@given(st.permutations(range(14)), SIZES)
def test_a_price_with_more_changes_than_are_kept_forgets_the_oldest_and_no_others(
    order: list[int], sizes: list[int]
) -> None:
    check(PRODUCT, [price(number * MINUTE, PriceSaleValue=number) for number in order], sizes)


def test_a_price_that_the_state_has_room_for_is_not_forgotten() -> None:
    state = state_of(PRODUCT, *[price(number * MINUTE, PriceSaleValue=number) for number in range(2, 6)])
    old = price(0, PriceSaleValue=1)
    assert not forgotten(state, event_of(old), receipt_of(old))
    assert json.loads(bytes(old.body))["PriceSaleValue"] == 1  # type: ignore[arg-type]  # bodies are bytes here
