"""The view of a product: the newest receipt is shown, margins are exact, what cannot be told is flagged."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import encode
from pipeline.domain.amounts import difference, number, percentage, plain
from tests.domain.events import HOUR, MINUTE, SECOND
from tests.domain.groups import PRODUCT, cost, entity, price, state_of, stock, view_of


def test_a_price_that_went_to_and_fro_is_what_it_was_received_as_last() -> None:
    events = [price(0), price(HOUR, PriceSaleValue=80), price(2 * HOUR)]
    for order in itertools.permutations(events):
        (shown,) = view_of(PRODUCT, *order).sale_prices
        assert (shown.price, shown.changes, shown.changes_complete) == ("99.50", 3, True)
        assert shown.last_received_at == "2026-01-01T02:00:00.000000Z"


def test_a_delivery_again_is_no_change_and_a_repeat_much_later_is_one() -> None:
    (shown,) = view_of(PRODUCT, price(0), price(30 * SECOND), price(HOUR)).sale_prices
    assert shown.changes == 2


def test_each_price_list_and_quantity_break_has_a_price_of_its_own() -> None:
    view = view_of(
        PRODUCT,
        price(0, PricelistId=2, PriceSaleValue=3),
        price(1, QuantityBreak=10.0, PriceSaleValue=2),
        price(2, QuantityBreak=None, PriceSaleValue=4),
        price(3, QuantityBreak=2.5, PriceSaleValue=1, PricelistCode="B2B", ApplicationId=7),
    )
    shown = [(one.pricelist_id, one.quantity_break, one.price) for one in view.sale_prices]
    assert shown == [(1, None, "4.00"), (1, "10", "2.00"), (1, "2.5", "1.00"), (2, "1", "3.00")]
    assert (view.sale_prices[2].pricelist_code, view.sale_prices[2].application_id) == ("B2B", 7)


def test_the_margin_is_the_price_less_the_cheapest_known_cost_to_the_last_decimal() -> None:
    view = view_of(
        PRODUCT,
        price(0, PriceSaleValue=0.3),
        price(0, PricelistId=2, PriceSaleValue=0.05),
        cost(0, SupplierId=8, PriceSaleValue=0.2),
        cost(0, SupplierId=9, PriceSaleValue=0.1, QuantityBreak=100),
        cost(0, SupplierId=7, PriceSaleValue=None),
    )
    assert view.cheapest_cost is not None
    assert (view.cheapest_cost.supplier_id, view.cheapest_cost.cost) == (9, "0.10")
    shown = [(one.margin, one.margin_percent, one.below_cost) for one in view.sale_prices]
    assert shown == [("0.20", "66.67", False), ("-0.05", "-100.00", True)]


def test_without_a_known_cost_there_is_no_margin() -> None:
    view = view_of(PRODUCT, price(0), cost(0), cost(HOUR, PriceSaleValue=None))
    assert view.cheapest_cost is None
    assert [(one.margin, one.margin_percent, one.below_cost) for one in view.sale_prices] == [(None, None, False)]
    ((unsaid,),) = [supplier.costs for supplier in view.suppliers]
    assert (unsaid.cost, unsaid.changes) == (None, 2)


def test_a_price_of_nothing_has_a_margin_and_no_percentage() -> None:
    (shown,) = view_of(PRODUCT, price(0, PriceSaleValue=0), cost(0)).sale_prices
    assert (shown.margin, shown.margin_percent, shown.below_cost) == ("-60.00", None, True)


def test_two_values_in_less_time_than_their_order_can_be_told_from_are_a_conflict() -> None:
    view = view_of(PRODUCT, price(HOUR), price(HOUR + SECOND, PriceSaleValue=80))
    (conflict,) = view.conflicts
    assert (conflict.field, conflict.item) == ("sale_prices.price", "pricelist_id=1,quantity_break=1")
    assert (conflict.values, conflict.chosen) == (("80.00", "99.50"), "80.00")
    assert view_of(PRODUCT, price(HOUR), price(HOUR + MINUTE, PriceSaleValue=80)).conflicts == ()


def test_costs_and_stock_are_flagged_by_the_same_rule() -> None:
    view = view_of(
        PRODUCT, cost(0), cost(1, PriceSaleValue=61), stock(0), stock(1, OnHandValue=4), stock(2, MinimumValue=6)
    )
    assert [(conflict.field, conflict.item) for conflict in view.conflicts] == [
        ("suppliers.cost", "supplier_id=9,pricelist_id=4"),
        ("stock.on_hand", "warehouse_id=1,location_id=2"),
        ("stock.minimum", "warehouse_id=1,location_id=2"),
    ]


def test_stock_is_kept_per_warehouse_and_location() -> None:
    view = view_of(
        PRODUCT, stock(0, WarehouseCode="W"), stock(HOUR, LocationId=3, OnHandValue=7.5), stock(HOUR, OnHandValue=2)
    )
    shown = [(one.warehouse_id, one.location_id, one.on_hand, one.minimum, one.at_minimum) for one in view.stock]
    assert shown == [(1, 2, "2", "5", True), (1, 3, "7.5", "5", False)]


def test_a_translation_is_pending_until_the_texts_change() -> None:
    asked = entity("TranslationRequestedNotification", 0, "tProduct")
    (pending,) = view_of(PRODUCT, asked).pending_translations
    assert (pending.entity, pending.last_received_at) == ("tProduct", "2026-01-01T00:00:00.000000Z")
    changed = entity("SkuChangedNotification", HOUR, "tClientProductSkuCulture")
    assert view_of(PRODUCT, changed, asked).pending_translations == ()
    assert len(view_of(PRODUCT, asked, entity("SkuChangedNotification", HOUR)).pending_translations) == 1
    again = entity("TranslationRequestedNotification", 2 * HOUR, "tProduct")
    assert len(view_of(PRODUCT, asked, changed, again).pending_translations) == 1


def test_changes_are_counted_by_table_and_application_and_by_supplier() -> None:
    view = view_of(
        PRODUCT,
        entity("SkuChangedNotification", 0),
        entity("SkuChangedNotification", HOUR),
        entity("SkuChangedNotification", HOUR, ApplicationId=2),
        entity("SupplierSkuChangedNotification", 0, SupplierId=8),
        entity("SupplierSkuOnHandChangedNotification", 0, SupplierId=9),
        entity("SupplierSkuOnHandChangedNotification", HOUR, SupplierId=9),
    )
    assert [(one.entity, one.application_id, one.changes) for one in view.changes] == [
        ("tTable", None, 2),
        ("tTable", 2, 1),
    ]
    suppliers = {
        one.supplier_id: ([c.changes for c in one.sku_changes], [c.changes for c in one.stock_changes])
        for one in view.suppliers
    }
    assert suppliers == {8: ([1], []), 9: ([], [2])}


def test_unknown_fields_stay_out_of_the_state() -> None:
    assert b"Brandnew" not in encode(state_of(PRODUCT, price(NewField="Brandnew")))


amounts = st.decimals(-(10**12), 10**12, places=4).map(plain)


@given(amounts, amounts)
def test_differences_are_exact_and_percentages_rounded(one: str, other: str) -> None:
    assert Decimal(difference(one, other)) == Decimal(one) - Decimal(other)
    share = percentage(one, other)
    assert (share is None) == (Decimal(other) == 0)
    if share is not None:
        assert abs(Decimal(share) - Decimal(one) * 100 / Decimal(other)) <= Decimal("0.005")


@pytest.mark.parametrize(("value", "text"), [("5.0", "5"), ("0.50", "0.5"), ("-0", "0"), ("1E+3", "1000"), ("7", "7")])
def test_a_quantity_has_one_text(value: str, text: str) -> None:
    assert number(Decimal(value)) == text
