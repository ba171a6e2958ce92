"""Where events contradict each other, the same rule decides whatever came first, and says so."""

from __future__ import annotations

import itertools

import pytest

from pipeline.domain import Arrival, OrderView
from pipeline.domain.limits import MAX_CONFLICT_VALUES
from pipeline.domain.records import Conflict
from tests.domain.events import HOUR, payment, received, status, view_of


def shown(*events: Arrival) -> OrderView:
    """The view, which must be the same for every order of the events but for the times."""
    views = [view_of(*order) for order in itertools.permutations(events)]
    assert all(view.conflicts == views[0].conflicts for view in views)
    return views[0]


def test_events_that_agree_are_no_conflict() -> None:
    assert (
        shown(received(), status("Confirmed", HOUR), payment(2 * HOUR), status("Delivered", 3 * HOUR)).conflicts == ()
    )


def test_the_order_id_of_the_highest_status_stands() -> None:
    view = shown(status("Confirmed", 0, OrderId=9), status("Delivered", HOUR, OrderId=7))
    assert view.order_id == 7
    assert view.conflicts == (Conflict(field="order_id", item=None, values=("7", "9"), chosen="7"),)


def test_of_two_order_ids_of_one_status_the_greater_stands() -> None:
    assert shown(status("Confirmed", 0, OrderId=9), status("Confirmed", HOUR, OrderId=10)).order_id == 10


def test_the_erp_number_replaces_the_basket_id_without_conflict() -> None:
    view = shown(status("Confirmed", HOUR, OrderNo="ERP-1"), status("Delivered", 0, OrderNo="1001"))
    assert view.order_no == "ERP-1"
    assert view.conflicts == ()


def test_the_basket_id_is_the_order_number_while_there_is_no_other() -> None:
    assert shown(status("Confirmed", OrderNo="1001")).order_no == "1001"
    assert shown(received()).order_no is None


def test_a_payment_names_the_order_number_until_a_status_event_does() -> None:
    assert shown(received(), payment(ErpOrderNo="ERP-9")).order_no == "ERP-9"
    assert shown(payment(ErpOrderNo="ERP-9"), status("Confirmed", OrderNo="ERP-1")).order_no == "ERP-1"


def test_two_erp_numbers_are_a_conflict_that_the_highest_status_decides() -> None:
    view = shown(status("Confirmed", OrderNo="ERP-9"), status("Cancelled", OrderNo="ERP-1"), payment(ErpOrderNo=""))
    assert view.order_no == "ERP-1"
    assert view.conflicts == (Conflict(field="order_no", item=None, values=("ERP-1", "ERP-9"), chosen="ERP-1"),)


def test_two_sources_are_a_conflict() -> None:
    view = shown(received(Source="POS"), status("Confirmed", Source="WEB"))
    assert view.source == "WEB"
    assert [conflict.field for conflict in view.conflicts] == ["source"]


def test_an_empty_text_states_nothing() -> None:
    view = shown(received(Source="WEB"), status("Confirmed", Source="", OrderNo=""))
    assert (view.source, view.order_no, view.conflicts) == ("WEB", None, ())


def test_delivered_and_cancelled_contradict_each_other() -> None:
    view = shown(status("Delivered"), status("Cancelled"))
    assert view.conflicts == (
        Conflict(field="status", item=None, values=("cancelled", "delivered"), chosen="cancelled"),
    )
    assert shown(status("Confirmed"), status("Cancelled")).conflicts == ()


def test_of_two_amounts_of_one_payment_the_greater_number_stands() -> None:
    view = shown(payment(Amount=99.5), payment(Amount=100))
    assert view.paid == {"SEK": "100.00"}
    assert view.conflicts == (Conflict(field="payment.amount", item="P1", values=("100.00", "99.50"), chosen="100.00"),)


def test_an_amount_and_its_currency_come_from_one_event() -> None:
    view = shown(
        payment(Amount=100, CurrencyCode="SEK"),
        payment(Amount=10, CurrencyCode="EUR"),
        payment(Amount=500, CurrencyCode=None),
    )
    assert view.paid == {"SEK": "100.00"}
    assert {conflict.field for conflict in view.conflicts} == {"payment.amount", "payment.currency"}


def test_of_two_amounts_without_currency_the_greater_number_stands_too() -> None:
    view = shown(payment(Amount=99.5, CurrencyCode=None), payment(Amount=100, CurrencyCode=None))
    assert (view.payments[0].amount, view.payments[0].currency, view.paid) == ("100.00", None, {})


def test_an_amount_and_a_currency_stated_apart_complete_each_other() -> None:
    view = shown(payment(CurrencyCode=None), payment(Amount=None))
    assert view.paid == {"SEK": "249.50"}
    assert view.conflicts == ()


@pytest.mark.parametrize("name", ["PaymentMethodCode", "PaymentRef"])
def test_of_two_texts_of_one_payment_the_greater_stands(name: str) -> None:
    view = shown(payment(0, **{name: "A"}), payment(0, **{name: "B"}), payment(0, **{name: None}))
    field = {"PaymentMethodCode": "payment_method", "PaymentRef": "payment_ref"}[name]
    assert getattr(view.payments[0], field) == "B"
    assert view.conflicts == (Conflict(field=f"payment.{field}", item="P1", values=("A", "B"), chosen="B"),)


def test_the_erp_number_replaces_the_basket_id_in_a_payment_too() -> None:
    view = shown(payment(ErpOrderNo="1001"), payment(ErpOrderNo="100"), payment(ErpOrderNo=""))
    assert view.payments[0].erp_order_no == "100"
    assert view.conflicts == ()
    assert shown(payment(ErpOrderNo="1001"), payment(ErpOrderNo="")).payments[0].erp_order_no == "1001"


def test_payments_without_amount_or_currency_are_listed_and_counted_and_not_summed() -> None:
    view = shown(
        payment(PaymentCode="P1"),
        payment(PaymentCode="P2", Amount=None),
        payment(PaymentCode="P3", CurrencyCode=None),
        payment(PaymentCode="P4", CurrencyCode=""),
    )
    assert [item.payment_code for item in view.payments] == ["P1", "P2", "P3", "P4"]
    assert view.paid == {"SEK": "249.50"}
    assert (view.payments_without_amount, view.payments_without_currency) == (1, 2)


def test_a_conflict_lists_a_bounded_number_of_values() -> None:
    view = view_of(*[status("Confirmed", OrderId=number) for number in range(100, 150)])
    assert len(view.conflicts[0].values) == MAX_CONFLICT_VALUES
    assert view.conflicts[0].chosen == "149"
