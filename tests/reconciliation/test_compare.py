"""What follows from how an order is in Norce: enough to be right, and nothing that is not certain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.query import FailedRunRow, OrderRow
from connectors.simulator import ExpectedOrder, Scenario
from connectors.simulator.commerce import Commerce
from connectors.simulator.lifecycle import drafts
from connectors.simulator.lifecycle import order as scripted
from connectors.simulator.script import Draft, ScriptedOrder
from connectors.simulator.services.query import _order_row
from connectors.simulator.services.query_lists import shown_run
from pipeline.domain import Arrival, OrderKey, Outcome, State, fold, order_view
from pipeline.events import EVENT_TYPES
from pipeline.reconciliation.compare import (
    Difference,
    Implied,
    Kind,
    Missing,
    OurOrder,
    OurPayment,
    UnknownStatusName,
    compare,
    compare_run,
)
from pipeline.reconciliation.publish import event_id, record_of
from tests.verifier.against_norce import from_norce

HOUR = 3_600_000_000
INVOICED_IS_DELIVERED = Implied.of({"Invoiced": ["OrderDeliveredEvent"]})
ABOUT_ORDERS = frozenset(name for name, spec in EVENT_TYPES.items() if spec.key.__name__ in ("order", "subscription"))


def norce_holds(order: ScriptedOrder) -> tuple[OrderRow, list[FailedRunRow]]:
    """The order as Query tells it, after all of its events."""
    commerce = Commerce(lambda event_type, order: None)
    held = commerce.create(order)
    for draft in drafts(order):
        commerce.change(held, draft.change)
    row = OrderRow.model_validate_json(orjson.dumps(_order_row(held)))
    runs = [shown_run(held, *run) for run in held.failed_runs.values()]
    return row, [FailedRunRow.model_validate_json(orjson.dumps(run)) for run in runs]


def key_of(order: ScriptedOrder) -> OrderKey:
    return OrderKey(order.shop.client_id, order.shop.application_id, order.client_order_ref)


def heard(
    key: OrderKey, state: State | None, bodies: Iterable[tuple[str, bytes, str]]
) -> tuple[State | None, list[Outcome]]:
    """The state after some events, an hour apart, and their outcomes."""
    outcomes: list[Outcome] = []
    for event_type, body, name in bodies:
        held = len(state.facts) if state else 0
        folded = fold(key, state, [Arrival(event_type, body, name, (held + 1) * HOUR)])
        state, outcomes = folded.state, [*outcomes, *folded.outcomes]
    return state, outcomes


def sent(chosen: Iterable[tuple[int, Draft]]) -> list[tuple[str, bytes, str]]:
    """The bodies that Norce sent, of those that are about orders."""
    return [
        (draft.event_type, orjson.dumps(draft.fields), f"e{number}")
        for number, draft in chosen
        if draft.event_type in ABOUT_ORDERS
    ]


def derived(missing: Iterable[Missing]) -> list[tuple[str, bytes, str]]:
    return [(each.event_type, record_of(each, "/test").value, event_id(each)) for each in missing]


def ours_of(key: OrderKey, state: State | None) -> OurOrder | None:
    if state is None or not state.facts:
        return None
    return msgspec.json.decode(msgspec.json.encode(order_view(key, state)), type=OurOrder)


def swept(
    order: ScriptedOrder, state: State | None, implied: Implied = INVOICED_IS_DELIVERED
) -> tuple[list[Missing], Sequence[Difference]]:
    """What a sweep finds of an order."""
    row, runs = norce_holds(order)
    key, ours = key_of(order), ours_of(key_of(order), state)
    found = compare(row, key.text, order.client_order_ref, ours, implied)
    failed = [compare_run(run, key.text, ours) for run in runs]
    return [*found.missing, *(each for each in failed if each is not None)], found.differences


def record(key: OrderKey, state: State | None) -> dict[str, Any]:
    assert state is not None
    content: dict[str, Any] = json.loads(msgspec.json.encode(order_view(key, state)))
    return content


def ends(order: ScriptedOrder, seed: int) -> ExpectedOrder:
    return Scenario(seed, order.number + 1).expectation().orders[order.key]


@given(st.integers(0, 60), st.integers(0, 5), st.data())
def test_whatever_was_dropped_the_derived_events_lead_to_norces_state(
    number: int, seed: int, data: st.DataObject
) -> None:
    order = scripted(seed, number)
    events = list(enumerate(drafts(order)))
    kept = data.draw(st.lists(st.sampled_from(events), unique_by=lambda event: event[0]))
    key = key_of(order)
    state, _ = heard(key, None, sent(kept))
    missing, differences = swept(order, state)
    assert not [each for each in differences if each.kind is not Kind.STATUS]
    state, _ = heard(key, state, derived(missing))
    assert from_norce({order.key: ends(order, seed)}, {order.key: record(key, state)}) == []
    assert swept(order, state) == ([], ())


@given(st.integers(0, 60), st.integers(0, 5))
def test_nothing_is_derived_for_an_order_whose_events_all_came(number: int, seed: int) -> None:
    order = scripted(seed, number)
    state, _ = heard(key_of(order), None, sent(enumerate(drafts(order))))
    assert swept(order, state, INVOICED_IS_DELIVERED) == ([], ())
    assert swept(order, state, Implied()) == ([], ())


@given(st.integers(0, 60), st.integers(0, 5), st.data())
def test_the_real_event_that_comes_late_after_all_changes_nothing(number: int, seed: int, data: st.DataObject) -> None:
    order = scripted(seed, number)
    events = list(enumerate(drafts(order)))
    kept = data.draw(st.lists(st.sampled_from(events), unique_by=lambda event: event[0]))
    late = [event for event in events if event not in kept]
    key = key_of(order)
    state, _ = heard(key, None, sent(kept))
    missing, _ = swept(order, state)
    state, _ = heard(key, state, derived(missing))
    once = ("OrderReceivedEvent", "OrderConfirmedEvent", "OrderDeliveredEvent", "OrderCancelledEvent")
    told = {each.event_type for each in missing}
    _, outcomes = heard(key, state, sent([event for event in late if event[1].event_type in told & {*once}]))
    assert set(outcomes) <= {Outcome.DUPLICATE}
    after, _ = heard(key, state, sent([event for event in late if event[1].event_type != "SubscriptionFailedEvent"]))
    assert from_norce({order.key: ends(order, seed)}, {order.key: record(key, after)}) == []


def an_order(*last: str) -> ScriptedOrder:
    """The first scripted order that ends with these steps."""
    return next(
        order
        for order in (scripted(1, number) for number in range(1_000))
        if tuple(order.steps[-len(last) :]) == last and not order.external
    )


def test_no_step_in_between_is_made_up() -> None:
    missing, _ = swept(an_order("partly_delivered", "partly_delivered", "delivered"), None)
    assert [each.event_type for each in missing if each.event_type.startswith("Order")] == [
        "OrderReceivedEvent",
        "OrderDeliveredEvent",
        "OrderPaymentReceivedEvent",
    ]


def test_an_invoiced_order_is_not_taken_for_delivered_unless_the_settings_say_so() -> None:
    order = an_order("delivered", "captured")
    missing, differences = swept(order, None, Implied())
    assert "OrderDeliveredEvent" not in {each.event_type for each in missing}
    assert differences == (Difference(Kind.STATUS, order.key, None, "received", "Invoiced"),)


def test_what_we_have_and_norce_has_not_is_told_and_never_taken_back() -> None:
    order = an_order("confirmed")
    key = key_of(order)
    state, _ = heard(key, None, sent(enumerate(drafts(order))))
    ours = ours_of(key, state)
    row, _ = norce_holds(order)
    assert ours is not None
    emptied = row.model_copy(update={"payments": (), "status_id": 0, "order_no": "another"})
    found = compare(emptied, key.text, order.client_order_ref, ours, Implied())
    code, paid = ours.payments[0].payment_code, f"{ours.payments[0].amount} {ours.payments[0].currency}"
    assert found.missing == ()
    assert set(found.differences) == {
        Difference(Kind.STATUS, key.text, None, "confirmed", "Created"),
        Difference(Kind.PAYMENT, key.text, code, paid, None),
        Difference(Kind.ORDER_NO, key.text, None, ours.order_no, "another"),
    }


def test_an_amount_that_differs_is_told_and_an_amount_that_no_event_stated_is_added() -> None:
    order = an_order("payment", "confirmed", "delivered")
    key = key_of(order)
    row, _ = norce_holds(order)
    assert row.payments is not None
    code = row.payments[0].payment_code
    wrong = OurOrder(payments=(OurPayment(code, "1.00", row.payments[0].currency_code),))
    found = compare(row, key.text, order.client_order_ref, wrong, Implied())
    assert Difference(Kind.AMOUNT, key.text, code, "1.00", f"{row.payments[0].amount:f}") in found.differences
    assert "OrderPaymentReceivedEvent" not in {each.event_type for each in found.missing}
    unstated = OurOrder(payments=(OurPayment(code),))
    found = compare(row, key.text, order.client_order_ref, unstated, Implied())
    assert "OrderPaymentReceivedEvent" in {each.event_type for each in found.missing}


def test_a_status_that_norce_does_not_document_is_told_with_its_number() -> None:
    order = an_order("confirmed")
    row, _ = norce_holds(order)
    found = compare(row.model_copy(update={"status_id": 1001}), order.key, order.client_order_ref, None, Implied())
    assert found.missing[0].event_type == "OrderReceivedEvent"
    assert found.differences == (Difference(Kind.UNKNOWN_STATUS, order.key, None, "received", "1001"),)


def test_payments_that_were_not_asked_for_are_not_compared() -> None:
    order = an_order("confirmed")
    state, _ = heard(key_of(order), None, sent(enumerate(drafts(order))))
    row, _ = norce_holds(order)
    found = compare(
        row.model_copy(update={"payments": None}),
        order.key,
        order.client_order_ref,
        ours_of(key_of(order), state),
        Implied(),
    )
    assert (found.missing, found.differences) == ((), ())


@pytest.mark.parametrize("changed", [{"Dispatched": []}, {"Invoiced": ["OrderPaymentReceivedEvent"]}])
def test_a_rule_about_what_does_not_exist_is_refused(changed: dict[str, list[str]]) -> None:
    with pytest.raises(UnknownStatusName):
        Implied.of(changed)


def test_the_same_missing_event_has_the_same_id_whenever_it_is_derived() -> None:
    order = an_order("confirmed")
    (first, _), (second, _) = swept(order, None), swept(order, None)
    assert [event_id(each) for each in first] == [event_id(each) for each in second]
    assert len({event_id(each) for each in first}) == len(first) > 2


def test_a_derived_event_is_marked_and_names_nobody() -> None:
    (missing, _) = swept(an_order("cancelled"), None)
    for each in missing:
        made = record_of(each, "/norce/reconciliation")
        headers = dict(made.headers)
        assert headers["norce_origin"] == b"reconciled"
        assert headers["ce_source"] == b"/norce/reconciliation"
        assert made.key == each.key.encode()
        assert headers["ce_id"].startswith(b"reconciled-")
        assert not {"FirstName", "LastName", "Email", "CellPhone"} & json.loads(made.value).keys()


@given(st.integers(0, 60), st.integers(0, 5))
def test_a_derived_failure_and_what_happens_once_say_what_the_real_event_says(number: int, seed: int) -> None:
    order = scripted(seed, number)
    personal = {"Email", "CellPhone", "FirstName", "LastName"}
    real = [
        (draft.event_type, {name: value for name, value in draft.fields.items() if name not in personal})
        for draft in drafts(order)
    ]
    missing, _ = swept(order, None)
    for each in missing:
        if each.event_type != "OrderPaymentReceivedEvent":  # its ErpOrderNo may be the number before the present one
            assert (each.event_type, {**each.fields}) in real
