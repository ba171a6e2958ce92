"""States beside the orders: subscriptions and recurring orders over all their baskets, and invoice captures."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from pipeline.domain import (
    Arrival,
    CaptureOutcome,
    InvoiceKey,
    InvoiceLookedUp,
    MisplacedEvent,
    OrderKey,
    State,
    SubscriptionKey,
    copies,
    encode_answer,
    fold,
    invoice_view,
    order_view,
    subscription_view,
)
from pipeline.events import EVENT_TYPES
from tests.domain.events import HOUR, START, arrival, failure

SUBSCRIPTION = SubscriptionKey(1, 2, "subscription=3")
INVOICE = InvoiceKey(1, 6)


def event_of(failed: Arrival) -> Any:
    assert isinstance(failed.body, bytes)
    return EVENT_TYPES["SubscriptionFailedEvent"].model.model_validate_json(failed.body)


def test_a_failure_with_a_basket_counts_for_its_subscription_and_its_recurring_order_too() -> None:
    failed = failure(0, RecurringOrderId=4)
    taken = OrderKey(1, 2, "1001")
    made = dict(copies(event_of(failed), taken))
    assert [key.text for key in made] == ["1:2:subscription=3", "1:2:recurring=4"]
    for key, body in made.items():
        copy = Arrival("SubscriptionFailedEvent", body, failed.event_id, failed.received_at)
        view = subscription_view(key, fold(key, None, [copy, copy]).state)
        assert (view.failures, view.order_keys) == (1, ("1:2:1001",))
        assert copies(event_of(copy), key) == [other for other in made.items() if other[0] != key]


def test_a_failure_is_copied_to_every_subject_but_the_one_it_is_keyed_by() -> None:
    both = event_of(failure(0, BasketId=None, RecurringOrderId=4))
    assert [key.text for key, _ in copies(both, SUBSCRIPTION)] == ["1:2:recurring=4"]
    assert copies(event_of(failure(0, BasketId=None)), SUBSCRIPTION) == []
    nothing = event_of(failure(0, BasketId=None, SubscriptionId=None))
    assert copies(nothing, SubscriptionKey(1, 2, "unidentified")) == []
    assert copies(event_of(failure(0, SubscriptionId=None)), OrderKey(1, 2, "1001")) == []


def test_a_copy_holds_no_personal_data_and_no_unknown_field() -> None:
    failed = failure(0, Email="secret@example.com", FirstName="Secretname", CellPhone="+46secret", NewField="Secret")
    ((_, body),) = copies(event_of(failed), OrderKey(1, 2, "1001"))
    assert b"ecret" not in body
    assert json.loads(body)["ErrorMessage"] == "card expired"


def test_what_names_the_buyer_in_a_free_text_reaches_neither_the_copy_nor_the_view() -> None:
    said = "Card of Anna Holm (anna.holm@example.com, 070-174 06 05) declined: code 51"
    failed = failure(0, FirstName="Anna", LastName="Holm", Email="a@example.com", ErrorMessage=said)
    ((_, body),) = copies(event_of(failed), OrderKey(1, 2, "1001"))
    masked = "Card of [person] [person] [e-mail] [number]) declined: code 51"
    assert json.loads(body)["ErrorMessage"] == masked
    (shown,) = subscription_view(SUBSCRIPTION, fold(SUBSCRIPTION, None, [failed]).state).subscription_failures
    assert shown.error_message == masked


def test_a_failure_is_refused_by_a_subscription_that_it_does_not_name() -> None:
    with pytest.raises(MisplacedEvent):
        fold(SubscriptionKey(1, 2, "subscription=4"), None, [failure()])


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


def test_an_invoice_carries_the_order_that_was_learnt_elsewhere() -> None:
    state = fold(INVOICE, None, [capture("Captured")]).state
    assert invoice_view(INVOICE, state).order_key is None
    told = Arrival("InvoiceLookedUp", encode_answer(InvoiceLookedUp(number=1, order_key="1:2:1001")), "a", START)
    assert invoice_view(INVOICE, fold(INVOICE, state, [told]).state).order_key == "1:2:1001"


def test_an_empty_state_has_no_view() -> None:
    for make in (
        lambda: order_view(OrderKey(1, 2, "3"), State()),
        lambda: subscription_view(SUBSCRIPTION, State()),
        lambda: invoice_view(INVOICE, State()),
    ):
        with pytest.raises(ValueError, match="empty state"):
            make()
