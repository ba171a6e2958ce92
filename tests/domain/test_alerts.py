"""Alerts are a function of what a thing shows, the policy and the time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import (
    CATALOGUE,
    DEFAULT_ALERTS,
    KINDS,
    KINDS_BY_NAME,
    AlertKind,
    AlertPolicy,
    Arrival,
    InvalidPolicy,
    InvoiceKey,
    InvoiceLookedUp,
    Key,
    active,
    conditions,
    encode_answer,
    invoice_view,
)
from tests.domain import groups
from tests.domain.events import HOUR, KEY, MINUTE, SECOND, START, event_sequences, failure, payment, received, status
from tests.domain.groups import INVOICE, JOB, PRODUCT, SUBSCRIPTION, capture, cost, job, price, state_of, stock

DAY = 24 * HOUR
AT_ONCE = AlertPolicy.of(after=dict.fromkeys(AlertKind, 0))


def open_at(key: Key, at: int, *events: Arrival, policy: AlertPolicy = DEFAULT_ALERTS) -> list[tuple[str, str | None]]:
    """Kind and item of what is open ``at`` microseconds after ``START``."""
    view = groups.view_of(key, *events)
    return [(condition.kind.value, condition.item) for condition in active(view, START + at, policy)]


def kinds_at(key: Key, at: int, *events: Arrival) -> list[str]:
    return [kind for kind, _ in open_at(key, at, *events)]


def details_of(key: Key, kind: str, *events: Arrival) -> dict[str, str]:
    (found,) = [one for one in conditions(groups.view_of(key, *events), DEFAULT_ALERTS) if one.kind == kind]
    return found.details


# Each kind of alert: events that make it, when it is open, events that end it.
CASES: list[tuple[str, Key, Sequence[Arrival], int, Sequence[Arrival]]] = [
    ("below_cost", PRODUCT, [cost(0), price(HOUR, PriceSaleValue=59.99)], HOUR, [price(2 * HOUR)]),
    ("below_cost", PRODUCT, [price(0), cost(HOUR, PriceSaleValue=100)], HOUR, [cost(2 * HOUR, PriceSaleValue=None)]),
    ("below_minimum_stock", PRODUCT, [stock(0)], 0, [stock(HOUR, OnHandValue=5.01)]),
    ("job_failed", JOB, [job(3)], 0, [job(2, HOUR)]),
    ("job_validation_failed", JOB, [job(4)], 0, [job(2, HOUR)]),
    ("capture_error", INVOICE, [capture("Error")], 0, [capture("Captured", HOUR)]),
    ("paid_not_confirmed", KEY, [received(0), payment(HOUR)], 25 * HOUR, [status("Confirmed", 26 * HOUR)]),
    ("paid_not_confirmed", KEY, [payment(HOUR)], 25 * HOUR, [status("Delivered", 26 * HOUR)]),
    ("delivered_before_confirmed", KEY, [status("Delivered")], HOUR, [status("Confirmed", 2 * HOUR)]),
    ("delivered_before_confirmed", KEY, [status("PartlyDelivered")], HOUR, [status("Cancelled", 2 * HOUR)]),
    ("stuck", KEY, [received(0), status("Confirmed", HOUR)], 7 * DAY + HOUR, [status("Delivered", 8 * DAY)]),
    ("stuck", KEY, [payment(0)], 7 * DAY, [received(8 * DAY)]),
]


@pytest.mark.parametrize(
    ("kind", "key", "events", "at", "ending"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)]
)
def test_an_alert_opens_when_it_is_due_and_an_event_ends_it(
    kind: str, key: Key, events: Sequence[Arrival], at: int, ending: Sequence[Arrival]
) -> None:
    for order in itertools.permutations(events):
        assert kind not in kinds_at(key, at - 1, *order)
        assert kind in kinds_at(key, at, *order)
        later = ending[-1].received_at - START
        assert kind in kinds_at(key, later, *order)
        assert kind not in kinds_at(key, later, *order, *ending)


def test_there_is_a_case_of_every_kind_that_an_event_can_end() -> None:
    never = {"paid_twice", "payment_currency_mismatch", "cancelled_after_payment", "subscription_failing"}
    assert {case[0] for case in CASES} | never == set(AlertKind)


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("paid_twice", [payment(0), payment(HOUR, PaymentCode="P2")]),
        ("payment_currency_mismatch", [payment(0), payment(HOUR, PaymentCode="P2", Amount=1, CurrencyCode="EUR")]),
        ("payment_currency_mismatch", [payment(0), payment(HOUR, CurrencyCode="EUR")]),
        ("cancelled_after_payment", [payment(0), status("Cancelled", HOUR)]),
        ("cancelled_after_payment", [status("Cancelled", 0), payment(HOUR)]),
    ],
)
def test_what_no_event_ends_opens_at_the_second_event_and_expires(kind: str, events: list[Arrival]) -> None:
    expires = CATALOGUE[AlertKind(kind)].expires
    assert expires is not None
    assert kind not in kinds_at(KEY, HOUR, *events[:1])
    assert kind in kinds_at(KEY, HOUR, *events)
    assert kind in kinds_at(KEY, HOUR + expires - 1, *events)
    assert kind not in kinds_at(KEY, HOUR + expires, *events)


def test_a_payment_reported_twice_under_one_code_is_no_second_payment() -> None:
    assert "paid_twice" not in kinds_at(KEY, DAY, payment(0), payment(HOUR))
    assert "paid_twice" not in kinds_at(KEY, DAY, payment(0), payment(HOUR, PaymentCode="P2", Amount=1))
    twice = [payment(0), payment(HOUR, PaymentCode="P2")]
    assert details_of(KEY, "paid_twice", *twice) == {"amount": "249.50", "currency": "SEK", "payment_codes": "P1, P2"}


def test_a_delivered_order_that_was_confirmed_and_paid_once_raises_nothing_ever() -> None:
    life = [received(0), payment(1), status("Confirmed", 2), status("Delivered", 3)]
    assert conditions(groups.view_of(KEY, *life), DEFAULT_ALERTS) == ()


def test_an_order_known_by_a_failed_renewal_only_is_not_stuck() -> None:
    assert conditions(groups.view_of(KEY, failure()), DEFAULT_ALERTS) == ()


def test_any_news_of_an_order_starts_the_wait_anew_and_a_repeat_is_no_news() -> None:
    confirmed = status("Confirmed", 0)
    assert "stuck" in kinds_at(KEY, 7 * DAY, confirmed, status("Confirmed", DAY))
    assert "stuck" not in kinds_at(KEY, 7 * DAY, confirmed, status("PartlyDelivered", DAY))


def test_each_price_below_cost_is_an_alert_of_its_own() -> None:
    events = [
        cost(0),
        price(0),
        price(0, PriceSaleValue=1, QuantityBreak=None),
        price(0, PriceSaleValue=2, PricelistId=2),
    ]
    assert open_at(PRODUCT, 0, *events) == [
        ("below_cost", "pricelist_id=1"),
        ("below_cost", "pricelist_id=2,quantity_break=1"),
    ]


def test_a_subscription_fails_when_it_failed_often_enough_and_is_forgiven_after_a_pause() -> None:
    failures = [failure(n * HOUR, BasketId=n) for n in range(3)]
    assert kinds_at(SUBSCRIPTION, 2 * HOUR, *failures[:2]) == []
    assert kinds_at(SUBSCRIPTION, 2 * HOUR, *failures) == ["subscription_failing"]
    pause = 40 * DAY
    assert kinds_at(SUBSCRIPTION, 2 * HOUR + pause - 1, *failures) == ["subscription_failing"]
    assert kinds_at(SUBSCRIPTION, 2 * HOUR + pause, *failures) == []
    after = failure(2 * HOUR + pause)
    assert kinds_at(SUBSCRIPTION, 2 * HOUR + pause, *failures, after) == []
    details = details_of(SUBSCRIPTION, "subscription_failing", *failures)
    assert details == {"failures": "3", "order_keys": "1:2:0, 1:2:1, 1:2:2"}


def test_the_number_of_failures_that_is_too_many_is_policy() -> None:
    policy = AlertPolicy.of(subscription_failures=1)
    assert open_at(SUBSCRIPTION, 0, failure(0), policy=policy) == [("subscription_failing", None)]


def test_a_capture_error_names_the_order_where_that_is_known() -> None:
    state = state_of(INVOICE, capture("Error"))
    unknown = conditions(invoice_view(InvoiceKey(1, 6), state), DEFAULT_ALERTS)
    said = encode_answer(InvoiceLookedUp(number=1, order_key="1:2:a:b"))
    told = state_of(INVOICE, Arrival("InvoiceLookedUp", said, "a", START), before=state)
    known = conditions(invoice_view(InvoiceKey(1, 6), told), DEFAULT_ALERTS)
    assert [one.order_key for one in (*unknown, *known)] == [None, "1:2:a:b"]


@given(event_sequences(), st.randoms(use_true_random=False), st.integers(0, 10**14))
def test_the_alerts_of_an_order_do_not_depend_on_the_order_or_number_of_deliveries(
    events: list[Arrival], random: Any, at: int
) -> None:
    again = [*events, *events]
    random.shuffle(again)
    assert active(groups.view_of(KEY, *again), START + at, AT_ONCE) == active(
        groups.view_of(KEY, *events), START + at, AT_ONCE
    )


@given(groups.group_sequences(), st.randoms(use_true_random=False), st.integers(0, 10**14))
def test_the_alerts_of_everything_else_do_not_either(said: groups.Sequence, random: Any, at: int) -> None:
    key, events = said
    again = [*events, *events]
    random.shuffle(again)
    assert open_at(key, at, *again) == open_at(key, at, *events)


def test_the_details_and_subjects_of_every_alert_are_those_of_the_catalogue() -> None:
    more: list[tuple[str, Key, Sequence[Arrival]]] = [
        ("paid_twice", KEY, [payment(0), payment(0, PaymentCode="P2")]),
        ("payment_currency_mismatch", KEY, [payment(0), payment(0, CurrencyCode="EUR")]),
        ("cancelled_after_payment", KEY, [payment(0), status("Cancelled")]),
        ("subscription_failing", SUBSCRIPTION, [failure(n * HOUR) for n in range(3)]),
    ]
    for kind, key, events in [*[(case[0], case[1], case[2]) for case in CASES], *more]:
        spec = CATALOGUE[AlertKind(kind)]
        assert set(details_of(key, kind, *events)) == set(spec.details), kind
        assert KINDS_BY_NAME[spec.subject] is KINDS[type(key)], kind
        named = [
            item
            for one, item in open_at(key, 60 * DAY, *events, policy=AlertPolicy.of(expires={kind: None}))
            if one == kind
        ]
        assert all((item is not None) == (spec.item is not None) for item in named), kind


def test_the_policy_changes_what_it_names_and_nothing_else() -> None:
    policy = AlertPolicy.of(after={"stuck": 1.5}, expires={"paid_twice": None, "stuck": 3})
    assert (policy.after[AlertKind.STUCK], policy.expires[AlertKind.STUCK]) == (1_500_000, 3_000_000)
    assert policy.expires[AlertKind.PAID_TWICE] is None
    assert policy.after[AlertKind.PAID_NOT_CONFIRMED] == DAY
    assert policy.expires[AlertKind.JOB_FAILED] == 30 * DAY


def test_a_policy_that_names_what_does_not_exist_is_refused_whole() -> None:
    with pytest.raises(InvalidPolicy) as refused:
        AlertPolicy.of(after={"stuk": 1, "stuck": -1}, expires={"paid_twice": float("nan")})
    assert [place for place, _ in refused.value.problems] == ["after.stuk", "after.stuck", "expires.paid_twice"]


def test_times_within_the_repeat_window_count_failures_once() -> None:
    events = [failure(n * SECOND) for n in range(10)]
    assert kinds_at(SUBSCRIPTION, MINUTE, *events) == []
