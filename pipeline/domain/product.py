"""The view of a product. Of each price, cost and stock point the newest receipt is shown.

That is the only rule there can be: values change to and fro with the same body, and Norce sends no time of change. Two
values received within the repeat window are flagged as a conflict, because their order is not sure.

A translation is pending until the product's texts change (assumed: an event of a table in ``TRANSLATED_BY``), because
Norce says when one is asked for and not when it is done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from pipeline.domain import facts
from pipeline.domain.amounts import difference, percentage
from pipeline.domain.keys import ProductKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.lookups import ProductLookedUp
from pipeline.domain.product_records import (
    CheapestCost,
    PendingTranslation,
    ProductView,
    SalePrice,
    StockPoint,
    Supplier,
    SupplierCost,
)
from pipeline.domain.records import Conflict
from pipeline.domain.registers import Held, Registers
from pipeline.domain.state import State, version
from pipeline.domain.times import rfc3339

TRANSLATED_BY = frozenset({"tClientProductSkuCulture", "tProductCulture"})


def product_view(key: ProductKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> ProductView:
    """The product as its newest facts tell it. Raises ``ValueError`` if the state is empty."""
    registers = Registers(state, repeat_window)
    prices, costs = registers.of(facts.SkuPrice), registers.of(facts.SupplierSkuPrice)
    stock = registers.of(facts.SkuOnHand)
    found: list[Conflict] = []
    registers.contradictions("sale_prices.price", prices, lambda fact: fact.price_sale_value, found)
    registers.contradictions("suppliers.cost", costs, lambda fact: fact.price_sale_value, found)
    registers.contradictions("stock.on_hand", stock, lambda fact: fact.on_hand_value, found)
    registers.contradictions("stock.minimum", stock, lambda fact: fact.minimum_value, found)
    cheapest = _cheapest(costs)
    first, last = registers.span()
    answer = state.answer
    return ProductView(
        client_id=key.client_id,
        part_no=key.part_no,
        sale_prices=tuple([_price(held, cheapest) for held in prices]),
        cheapest_cost=cheapest,
        stock=tuple([_stock(held) for held in stock]),
        pending_translations=_pending(registers),
        changes=registers.entity_changes(registers.of(facts.SkuChanged)),
        suppliers=_suppliers(registers, costs),
        conflicts=tuple(found),
        first_received_at=first,
        last_changed_at=last,
        version=version(state),
        name=answer.said.name if answer is not None and isinstance(answer.said, ProductLookedUp) else None,
        looked_up_at=None if answer is None else rfc3339(answer.at),
        lookup_number=0 if answer is None else answer.said.number,
    )


def _cheapest(costs: Sequence[Held[facts.SupplierSkuPrice]]) -> CheapestCost | None:
    """Among equals the one that sorts first, by supplier, price list and quantity break."""
    known = [held for held in costs if held.fact.price_sale_value is not None]
    if not known:
        return None
    held = min(known, key=lambda one: Decimal(one.fact.price_sale_value or 0))
    return CheapestCost(
        supplier_id=held.fact.supplier_id,
        pricelist_id=held.fact.pricelist_id,
        quantity_break=held.fact.quantity_break,
        cost=held.fact.price_sale_value or "",
        event_id=held.event_id,
        last_received_at=rfc3339(held.last_received_at),
    )


def _price(held: Held[facts.SkuPrice], cheapest: CheapestCost | None) -> SalePrice:
    fact = held.fact
    margin = None if cheapest is None else difference(fact.price_sale_value, cheapest.cost)
    return SalePrice(
        pricelist_id=fact.pricelist_id,
        pricelist_code=fact.pricelist_code or None,
        quantity_break=fact.quantity_break,
        price=fact.price_sale_value,
        application_id=fact.application_id,
        margin=margin,
        margin_percent=None if margin is None else percentage(margin, fact.price_sale_value),
        below_cost=margin is not None and Decimal(margin) < 0,
        event_id=held.event_id,
        changes=len(held.happened),
        changes_complete=held.complete,
        last_received_at=rfc3339(held.last_received_at),
    )


def _stock(held: Held[facts.SkuOnHand]) -> StockPoint:
    fact = held.fact
    return StockPoint(
        warehouse_id=fact.warehouse_id,
        warehouse_code=fact.warehouse_code or None,
        location_id=fact.location_id,
        location_code=fact.location_code or None,
        on_hand=fact.on_hand_value,
        minimum=fact.minimum_value,
        at_minimum=Decimal(fact.on_hand_value) <= Decimal(fact.minimum_value),
        event_id=held.event_id,
        changes=len(held.happened),
        changes_complete=held.complete,
        last_received_at=rfc3339(held.last_received_at),
    )


def _pending(registers: Registers) -> tuple[PendingTranslation, ...]:
    translated = [
        held.entries[-1][0].received_at
        for held in registers.of(facts.SkuChanged)
        if held.fact.entity_changed in TRANSLATED_BY
    ]
    done = max(translated, default=-1)
    return tuple(
        [
            PendingTranslation(
                entity=held.fact.entity_changed,
                application_id=held.fact.application_id,
                last_received_at=rfc3339(held.last_received_at),
            )
            for held in registers.of(facts.TranslationRequested)
            if held.last_received_at > done
        ]
    )


def _suppliers(registers: Registers, costs: Sequence[Held[facts.SupplierSkuPrice]]) -> tuple[Supplier, ...]:
    costs_of: defaultdict[int, list[SupplierCost]] = defaultdict(list)
    for held in costs:
        costs_of[held.fact.supplier_id].append(_cost(held))
    stock_of: defaultdict[int, list[Held[facts.SupplierSkuOnHandChanged]]] = defaultdict(list)
    for stock in registers.of(facts.SupplierSkuOnHandChanged):
        stock_of[stock.fact.supplier_id].append(stock)
    skus_of: defaultdict[int, list[Held[facts.SupplierSkuChanged]]] = defaultdict(list)
    for sku in registers.of(facts.SupplierSkuChanged):
        skus_of[sku.fact.supplier_id].append(sku)
    return tuple(
        [
            Supplier(
                supplier_id=number,
                costs=tuple(costs_of[number]),
                stock_changes=registers.entity_changes(stock_of[number]),
                sku_changes=registers.entity_changes(skus_of[number]),
            )
            for number in sorted({*costs_of, *stock_of, *skus_of})
        ]
    )


def _cost(held: Held[facts.SupplierSkuPrice]) -> SupplierCost:
    fact = held.fact
    return SupplierCost(
        pricelist_id=fact.pricelist_id,
        pricelist_code=fact.pricelist_code or None,
        quantity_break=fact.quantity_break,
        cost=fact.price_sale_value,
        event_id=held.event_id,
        changes=len(held.happened),
        changes_complete=held.complete,
        last_received_at=rfc3339(held.last_received_at),
    )
