"""The states of all groups are joins: no order, repetition or grouping of events changes them, and they stay small."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import (
    KINDS,
    Arrival,
    Key,
    Outcome,
    State,
    StateLimitExceeded,
    decode,
    encode,
    enriched,
    facts,
    fold,
    limits,
    merge,
    version,
)
from pipeline.domain import state as state_module
from tests.domain.events import HOUR, MINUTE, SECOND, failure
from tests.domain.groups import (
    COMPANY,
    CUSTOMER,
    INVOICE,
    JOB,
    PRODUCT,
    SUBSCRIPTION,
    Sequence,
    capture,
    cost,
    entity,
    group_sequences,
    job,
    price,
    state_of,
    stock,
    view_of,
)

SIX: dict[Key, list[Arrival]] = {
    PRODUCT: [
        price(0),
        price(HOUR, PriceSaleValue=50),
        price(2 * HOUR),
        cost(3 * HOUR),
        stock(4 * HOUR),
        entity("SupplierSkuChangedNotification", 5 * HOUR),
    ],
    CUSTOMER: [entity("CustomerChangedNotification", n * HOUR, ApplicationId=n % 2) for n in range(6)],
    COMPANY: [entity("CompanyChangedNotification", n * HOUR, f"t{n % 2}") for n in range(6)],
    JOB: [job(status, status * HOUR) for status in range(1, 7)],
    INVOICE: [capture(name, n * HOUR) for n, name in enumerate(["Error", "Captured"] * 3)],
    SUBSCRIPTION: [failure(n * HOUR, BasketId=n) for n in range(6)],
}


@pytest.mark.parametrize("key", SIX, ids=lambda key: KINDS[type(key)].name)
def test_all_permutations_of_six_events_end_in_one_state_and_one_record(key: Key) -> None:
    ends = set()
    for order in itertools.permutations(SIX[key]):
        state = State()
        for event in order:
            state = state_of(key, event, before=state)
        ends.add((encode(state), enriched(KINDS[type(key)].view(key, state))))
    assert len(ends) == 1


@given(group_sequences(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(said: Sequence, random: Random) -> None:
    key, events = said
    again = [*events, *events]
    random.shuffle(again)
    assert encode(state_of(key, *again)) == encode(state_of(key, *events))


@given(group_sequences(), st.lists(st.integers(0, 3), min_size=17, max_size=17))
def test_batches_folded_apart_and_merged_are_the_events_folded_at_once(said: Sequence, batch_of: list[int]) -> None:
    key, events = said
    merged = State()
    for n in range(4):
        merged = merge(merged, state_of(key, *[e for e, batch in zip(events, batch_of, strict=False) if batch == n]))
    assert merged == state_of(key, *events)


@pytest.fixture
def small_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that nearly every sequence of events has something to forget."""
    for kind in facts.REGISTERS:
        monkeypatch.setattr(kind, "history", 2)
    monkeypatch.setattr(state_module, "MAX_REGISTER_RECEIPTS", 14)


@pytest.mark.usefixtures("small_histories")
def test_forgetting_what_is_old_changes_none_of_that() -> None:
    @given(group_sequences(14), st.randoms(use_true_random=False), st.integers(0, 14))
    def holds(said: Sequence, random: Random, cut: int) -> None:
        key, events = said
        again = [*events, *events]
        random.shuffle(again)
        one_by_one = State()
        for event in again:
            one_by_one = state_of(key, event, before=one_by_one)
        whole = state_of(key, *events)
        assert encode(one_by_one) == encode(whole)
        first, second = state_of(key, *events[:cut]), state_of(key, *events[cut:])
        assert merge(first, second) == merge(second, first) == merge(whole, first) == whole

    holds()


@given(group_sequences())
def test_the_version_never_falls_and_a_state_reads_back(said: Sequence) -> None:
    key, events = said
    state = State()
    for event in events:
        after = state_of(key, event, before=state)
        assert version(after) >= (version(state) if state.facts else 0)
        assert decode(encode(after)) == after
        state = after


def test_of_a_price_only_the_newest_receipts_are_kept_however_often_it_changes() -> None:
    events = [price(n * HOUR, PriceSaleValue=n) for n in range(200)]
    state = state_of(PRODUCT, *events)
    assert state == state_of(PRODUCT, *reversed(events))
    assert sum(len(receipts) for _, receipts in state.facts) == limits.VALUE_HISTORY
    (shown,) = view_of(PRODUCT, *events).sale_prices
    assert (shown.price, shown.changes, shown.changes_complete) == ("199.00", limits.VALUE_HISTORY, False)


def test_a_delivery_that_is_older_than_all_that_is_kept_is_stale_and_changes_nothing() -> None:
    state = state_of(PRODUCT, *[price(n * HOUR) for n in range(1, 20)])
    folded = fold(PRODUCT, state, [price(0, PriceSaleValue=1)])
    assert folded.state is state
    assert folded.outcomes == (Outcome.STALE,)


def test_a_price_that_goes_back_is_a_change_and_not_a_duplicate() -> None:
    events = [price(0), price(SECOND, PriceSaleValue=1), price(2 * SECOND), price(3 * SECOND)]
    applied, duplicate = Outcome.APPLIED, Outcome.DUPLICATE
    assert fold(PRODUCT, None, events).outcomes == (applied, applied, applied, duplicate)


def test_a_product_with_very_many_prices_keeps_them_all_and_less_of_their_past() -> None:
    events = [price(past * HOUR, PricelistId=n, PriceSaleValue=past) for n in range(400) for past in range(4)]
    view = view_of(PRODUCT, *events)
    assert len(view.sale_prices) == 400
    assert {shown.price for shown in view.sale_prices} == {"3.00"}
    assert {shown.changes for shown in view.sale_prices} == {limits.MAX_REGISTER_RECEIPTS // 400}


def test_more_prices_than_a_state_can_hold_are_refused() -> None:
    full = state_of(PRODUCT, *[price(n, PricelistId=n) for n in range(limits.MAX_REGISTER_RECEIPTS)])
    with pytest.raises(StateLimitExceeded, match="more than 800"):
        fold(PRODUCT, full, [price(HOUR, PricelistId=-1)])
    assert fold(PRODUCT, full, [price(HOUR)]).outcomes == (Outcome.APPLIED,)


def test_a_flood_of_one_price_in_one_batch_is_folded_in_one_go() -> None:
    assert len(fold(PRODUCT, None, [price(n * MINUTE) for n in range(2000)]).outcomes) == 2000


@pytest.mark.parametrize("text", ["", "\x01" * 30, "\x01" * limits.MAX_TEXT])
def test_the_largest_product_makes_a_record_that_kafka_takes(text: str) -> None:
    state = State()
    for number in range(limits.MAX_REGISTER_RECEIPTS):
        events = [
            price(0, PricelistId=number, PricelistCode=text, PriceSaleValue=number, QuantityBreak=1e-7),
            price(1, PricelistId=number, PricelistCode=text, PriceSaleValue=number + 0.5, QuantityBreak=1e-7),
            cost(0, PricelistId=number, PricelistCode=text),
        ]
        try:
            state = state_of(PRODUCT, *events[number % 3 :], before=state)
        except StateLimitExceeded:
            break
    record = enriched(KINDS[type(PRODUCT)].view(PRODUCT, state))
    assert 100_000 < len(record) < 1_000_000
