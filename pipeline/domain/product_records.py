"""The enriched product: its prices and stock, and what its suppliers ask for it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pipeline.domain.records import (
    AMOUNT,
    TIME,
    Changes,
    ChangesComplete,
    ClientId,
    Conflicts,
    EntityChange,
    EventId,
    FirstReceivedAt,
    LastChangedAt,
    LastReceivedAt,
    LookedUpAt,
    LookupNumber,
    NullableApplicationId,
    Record,
    RecordId,
)

QUANTITY = "decimal text without further zeros"
PRICE = f"{AMOUNT}. Events name no currency"

QuantityBreak = Annotated[
    str | None, Meta(description=f"Norce QuantityBreak, null if the event names none; {QUANTITY}")
]
SupplierId = Annotated[int, Meta(description="Norce SupplierId")]


class CheapestCost(Record, frozen=True):
    """The lowest cost that any supplier is known to ask."""

    supplier_id: SupplierId
    pricelist_id: Annotated[int | None, Meta(description="Norce PricelistId of the supplier's price list")]
    quantity_break: QuantityBreak
    cost: Annotated[str, Meta(description=PRICE)]
    event_id: EventId
    last_received_at: LastReceivedAt


class SalePrice(Record, frozen=True):
    """What the product sells for on one price list, from one quantity on."""

    pricelist_id: Annotated[int, Meta(description="Norce PricelistId")]
    pricelist_code: Annotated[str | None, Meta(description="Norce PricelistCode")]
    quantity_break: QuantityBreak
    price: Annotated[str, Meta(description=f"The price received last; {PRICE}")]
    application_id: NullableApplicationId
    margin: Annotated[
        str | None,
        Meta(description=f"Price less the cheapest known cost, null if none is known, exact; {PRICE} (assumed equal)"),
    ]
    margin_percent: Annotated[
        str | None, Meta(description="The margin in percent of the price, rounded to two decimals; null if price is 0")
    ]
    below_cost: Annotated[bool, Meta(description="Whether the price is lower than the cheapest known cost")]
    event_id: EventId
    changes: Changes
    changes_complete: ChangesComplete
    last_received_at: LastReceivedAt


class StockPoint(Record, frozen=True):
    """The stock at one location of one warehouse when its event fired, which it does when it reaches the minimum."""

    warehouse_id: Annotated[int, Meta(description="Norce WarehouseId")]
    warehouse_code: Annotated[str | None, Meta(description="Norce WarehouseCode")]
    location_id: Annotated[int, Meta(description="Norce LocationId")]
    location_code: Annotated[str | None, Meta(description="Norce LocationCode")]
    on_hand: Annotated[str, Meta(description=f"Norce OnHandValue received last; {QUANTITY}")]
    minimum: Annotated[str, Meta(description=f"Norce MinimumValue that came with it; {QUANTITY}")]
    at_minimum: Annotated[bool, Meta(description="Whether the stock is at or below its minimum")]
    event_id: EventId
    changes: Changes
    changes_complete: ChangesComplete
    last_received_at: LastReceivedAt


class PendingTranslation(Record, frozen=True):
    """Texts that were to be translated and have not changed since."""

    entity: Annotated[str, Meta(description="Norce EntityChanged: the table with the texts")]
    application_id: NullableApplicationId
    last_received_at: Annotated[str, Meta(description=f"When the latest request was received; {TIME}")]


class SupplierCost(Record, frozen=True):
    """What a supplier asks on one price list, from one quantity on."""

    pricelist_id: Annotated[int | None, Meta(description="Norce PricelistId, null if the event names none")]
    pricelist_code: Annotated[str | None, Meta(description="Norce PricelistCode")]
    quantity_break: QuantityBreak
    cost: Annotated[
        str | None, Meta(description=f"The cost received last, null if the latest event did not say it; {PRICE}")
    ]
    event_id: EventId
    changes: Changes
    changes_complete: ChangesComplete
    last_received_at: LastReceivedAt


class Supplier(Record, frozen=True):
    """What is known of one supplier of the product."""

    supplier_id: SupplierId
    costs: Annotated[tuple[SupplierCost, ...], Meta(description="Costs, by price list and quantity break")]
    stock_changes: Annotated[
        tuple[EntityChange, ...], Meta(description="Changes of the supplier's stock; events do not say to how many")
    ]
    sku_changes: Annotated[tuple[EntityChange, ...], Meta(description="Changes of the supplier's product")]


class ProductView(Record, frozen=True):
    """A product as its events and its suppliers' events tell it."""

    client_id: ClientId
    part_no: Annotated[str, Meta(description="Norce PartNo; a supplier's is assumed to be the product's own")]
    sale_prices: Annotated[tuple[SalePrice, ...], Meta(description="Sale prices, by price list and quantity break")]
    cheapest_cost: Annotated[
        CheapestCost | None, Meta(description="The lowest known cost of all suppliers, at whatever quantity")
    ]
    stock: Annotated[tuple[StockPoint, ...], Meta(description="Stock break points, by warehouse and location")]
    pending_translations: Annotated[tuple[PendingTranslation, ...], Meta(description="Translations asked for")]
    changes: Annotated[tuple[EntityChange, ...], Meta(description="Changes of the product, by table and application")]
    suppliers: Annotated[tuple[Supplier, ...], Meta(description="Suppliers, by SupplierId")]
    conflicts: Conflicts
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: Annotated[
        int,
        Meta(
            description="Microseconds since 1970 UTC of the newest delivery known, plus the number of the look-up: "
            "never lower in a later record of the same key; of two equal ones the later stands"
        ),
    ]
    name: Annotated[str | None, Meta(description="Norce DefaultName, null before the look-up, or if it has none")] = (
        None
    )
    looked_up_at: LookedUpAt = None
    lookup_number: LookupNumber = 0


class EnrichedProduct(ProductView, frozen=True, kw_only=True):
    """The record of the enriched products topic."""

    id: RecordId
