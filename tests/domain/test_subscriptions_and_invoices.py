"""The states that stand on their own: subscriptions without a basket, and invoice captures."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pipeline.domain import (
    Arrival,
    CaptureOutcome,
    InvoiceKey,
    OrderKey,
    State,
    SubscriptionKey,
    fold,
    invoice_view,
    order_view,
    subscription_view,
)
from tests.domain.events import HOUR, arrival, failure

SUBSCRIPTION = SubscriptionKey(1, 2, "subscription=3")
INVOICE = InvoiceKey(1, 6)


def capture(state: str, at: int = 0, **fields: Any) -> Arrival:
    body = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 6, "State": state, **fields}
    return arrival("InvoiceCaptureCompletedEvent", body, at)


def test_a_failure_without_basket_is_counted_with_its_subscription() -> None:
    events = [failure(0, BasketId=None), failure(HOUR, BasketId=None), failure(HOUR, BasketId=None, ErrorMessage=None)]
    views = [
        subscription_view(SUBSCRIPTION, fold(SUBSCRIPTION, None, order).state)
        for order in itertools.permutations(events)
    ]
    assert all(view == views[0] for view in views)
    assert {item.error_message: item.occurrences for item in views[0].subscription_failures} == {
        "card expired": 2,
        None: 1,
    }
    assert (views[0].client_id, views[0].application_id, views[0].subject) == (1, 2, "subscription=3")
    assert (views[0].version, len(views[0].timeline)) == (3, 3)


@pytest.mark.parametrize("states", [("Captured",), ("Error",), ("Error", "Captured"), ("Captured", "Error")])
def test_a_capture_that_worked_stands_over_an_error_whichever_came_first(states: tuple[str, ...]) -> None:
    events = [capture(state, number * HOUR) for number, state in enumerate(states)]
    view = invoice_view(INVOICE, fold(INVOICE, None, events).state)
    assert view.outcome is (CaptureOutcome.CAPTURED if "Captured" in states else CaptureOutcome.ERROR)
    assert [conflict.field for conflict in view.conflicts] == (["outcome"] if len(states) > 1 else [])
    assert (view.captured_invoice_id, view.application_id) == (6, 2)


def test_a_capture_stated_again_happened_once() -> None:
    view = invoice_view(INVOICE, fold(INVOICE, None, [capture("Error", 0), capture("Error", HOUR)]).state)
    assert (len(view.timeline), view.version) == (1, 2)


def test_an_invoice_of_two_applications_is_a_conflict() -> None:
    view = invoice_view(INVOICE, fold(INVOICE, None, [capture("Error"), capture("Error", ApplicationId=3)]).state)
    assert view.application_id == 3
    assert [conflict.field for conflict in view.conflicts] == ["application_id"]


def test_an_empty_state_has_no_view() -> None:
    for make in (
        lambda: order_view(OrderKey(1, 2, "3"), State()),
        lambda: subscription_view(SUBSCRIPTION, State()),
        lambda: invoice_view(INVOICE, State()),
    ):
        with pytest.raises(ValueError, match="empty state"):
            make()
