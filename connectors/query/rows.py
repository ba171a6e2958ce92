"""The fields that are read of Query's rows, and how they are asked for: all names of Query's stand here.

Norce docs (API reference of Query 3.0; "Calling Norce Commerce Query"): an OData 4 service; ``Orders/Orders``,
``Orders/Invoices``, ``Products/ProductSkus``; the fields below with their meaning; a header ``ApplicationId`` that
every call needs and that does not restrict what is answered. Assumed: the names of the parts that are expanded
(``Items``, ``Product``), ``Core/Currencies`` with ``Id`` and ``Code``, ``CurrencyId`` of an order, and that ``VatRate``
of a line is in percent as it is on invoices. The reference shows names as ``lineAmount``, the older one as
``LineAmount``: both are read, the second is asked for.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import AliasChoices, AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel, to_pascal

from pipeline.events.fields import Number

ORDERS = "Orders/Orders"
INVOICES = "Orders/Invoices"
SKUS = "Products/ProductSkus"
CURRENCIES = "Core/Currencies"

ORDER_FIELDS = ("Id", "ClientId", "ApplicationId", "CurrencyId", "FreightCost")
ORDER_ITEMS = "Items($select=LineNumber,PartNo,ProductName,QtyOrdered,PriceSale,VatRate,LineAmount)"
INVOICE_FIELDS = ("Id", "ClientId", "ReferenceOrderId")
SKU_FIELDS = ("PartNo", "ClientId")
SKU_PRODUCT = "Product($select=DefaultName)"
CURRENCY_FIELDS = ("Id", "Code")

NUMERIC_FIELDS = frozenset({"Id", "QuotationId"})
"""Fields that are compared as numbers; all others as text."""


class Row(BaseModel):
    """What is read of a row; the rest, personal data among it, is passed over."""

    model_config = ConfigDict(  # type: ignore[pydantic-alias]  # rows are read from answers and never made
        extra="ignore",
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(to_pascal(name), to_camel(name))),
    )


class ItemRow(Row):
    """A line of an order."""

    line_number: Number
    part_no: str
    product_name: str | None = None
    qty_ordered: Number
    price_sale: Number | None = None
    vat_rate: Number | None = None
    line_amount: Number


class OrderNameRow(Row):
    """What tells which order it is. Its reference is in a field that is a setting."""

    id: int
    client_id: int
    application_id: int


class OrderRow(OrderNameRow):
    """An order with its lines."""

    currency_id: int
    freight_cost: Number | None = None
    items: list[ItemRow]


class InvoiceRow(Row):
    """An invoice. ``reference_order_id`` is the ``Id`` of its order."""

    id: int
    client_id: int
    reference_order_id: int


class ProductRow(Row):
    """A product, which may have several part numbers."""

    default_name: str | None = None


class SkuRow(Row):
    """A part number."""

    part_no: str
    client_id: int
    product: ProductRow | None = None


class CurrencyRow(Row):
    """A currency."""

    id: int
    code: str


R = TypeVar("R", bound=Row)


class Page(BaseModel, Generic[R]):
    """A list as OData wraps it."""

    model_config = ConfigDict(extra="ignore")

    value: list[R]


def text(value: str) -> str:
    """A text as a filter has it."""
    return "'" + value.replace("'", "''") + "'"
