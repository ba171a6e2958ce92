"""Looking things up in Commerce Query: orders with their lines, products, invoices; ``rows`` says what is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from connectors.norce import Answer, NorceApi, Patience, Request, Unfitting, Unknown
from connectors.query import rows
from connectors.query.reader import APPLICATION_HEADER

R = TypeVar("R", bound=rows.Row)


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """An order as Query tells it. Amounts are in the major unit, without VAT."""

    order_id: int
    currency: str
    """ISO 4217"""
    freight: Decimal | None
    lines: Sequence[rows.ItemRow]


@dataclass(frozen=True, slots=True)
class OrderName:
    """Which order something belongs to."""

    client_id: int
    application_id: int
    client_order_ref: str


class DetailsReader:
    """Reads details. Every method raises, besides what ``NorceApi.call`` raises:

    Unknown: Query knows no such thing.
    Unfitting: Query answered with something else.
    """

    def __init__(self, base_url: str, api: NorceApi, *, reference_field: str, invoice_field: str) -> None:
        self._base_url = base_url
        self._api = api
        self._reference_field = reference_field
        self._invoice_field = invoice_field
        self._currencies: dict[int, str] = {}

    async def order(
        self,
        application_id: int,
        client_order_ref: str,
        *,
        order_id: int | None = None,
        patience: Patience | None = None,
    ) -> OrderDetails:
        """An order by its ``OrderId``, else by its reference."""
        field, value = ("Id", str(order_id)) if order_id is not None else (self._reference_field, client_order_ref)
        query = {
            "$filter": f"ApplicationId eq {application_id} and {field} eq {_literal(field, value)}",
            "$select": ",".join(dict.fromkeys((*rows.ORDER_FIELDS, field))),
            "$expand": rows.ORDER_ITEMS,
        }
        found, row = await self._one(rows.ORDERS, application_id, query, rows.OrderRow, patience)
        if row.application_id != application_id or _named(found, field) != value:
            raise Unfitting("Query answered with another order")
        currency = await self._currency(row.currency_id, application_id, patience)
        return OrderDetails(row.id, currency, row.freight_cost, row.items)

    async def order_of_invoice(
        self, client_id: int, application_id: int, invoice_id: int, *, patience: Patience | None = None
    ) -> OrderName:
        """The order that an invoice is of."""
        field = self._invoice_field
        query = {
            "$filter": f"{field} eq {_literal('Id', str(invoice_id))}",
            "$select": ",".join(dict.fromkeys((*rows.INVOICE_FIELDS, field))),
        }
        found, invoice = await self._one(rows.INVOICES, application_id, query, rows.InvoiceRow, patience)
        if invoice.client_id != client_id or _named(found, field) != str(invoice_id):
            raise Unfitting("Query answered with another invoice")
        query = {
            "$filter": f"Id eq {invoice.reference_order_id}",
            "$select": f"Id,ClientId,ApplicationId,{self._reference_field}",
        }
        found, order = await self._one(rows.ORDERS, application_id, query, rows.OrderNameRow, patience)
        if order.id != invoice.reference_order_id or order.client_id != client_id:
            raise Unfitting("Query answered with another order")
        reference = _named(found, self._reference_field)
        if not reference:
            raise Unfitting(f"the order of the invoice has no {self._reference_field}")
        return OrderName(order.client_id, order.application_id, reference)

    async def product_name(
        self, client_id: int, application_id: int, part_no: str, *, patience: Patience | None = None
    ) -> str | None:
        """The name of a product, ``None`` if it has none."""
        query = {
            "$filter": f"ClientId eq {client_id} and PartNo eq {rows.text(part_no)}",
            "$select": ",".join(rows.SKU_FIELDS),
            "$expand": rows.SKU_PRODUCT,
        }
        _, sku = await self._one(rows.SKUS, application_id, query, rows.SkuRow, patience)
        if (sku.client_id, sku.part_no) != (client_id, part_no):
            raise Unfitting("Query answered with another product")
        return None if sku.product is None else sku.product.default_name

    async def _currency(self, currency_id: int, application_id: int, patience: Patience | None) -> str:
        """Norce docs: what is in ``Core`` may be kept for a long time."""
        if currency_id not in self._currencies:
            query = {"$filter": f"Id eq {currency_id}", "$select": ",".join(rows.CURRENCY_FIELDS)}
            _, row = await self._one(rows.CURRENCIES, application_id, query, rows.CurrencyRow, patience)
            if row.id != currency_id:
                raise Unfitting("Query answered with another currency")
            self._currencies[currency_id] = row.code
        return self._currencies[currency_id]

    async def _one(
        self, path: str, application_id: int, query: Mapping[str, str], row: type[R], patience: Patience | None
    ) -> tuple[Mapping[str, Any], R]:
        request = Request(
            operation=path,
            method="GET",
            url=f"{self._base_url}/{path}",
            headers={APPLICATION_HEADER: str(application_id)},
            query={**query, "$top": "1"},
        )
        return await self._api.call(request, partial(_first, row, path), patience=patience)


def _first(row: type[R], path: str, answer: Answer) -> tuple[Mapping[str, Any], R]:
    content = answer.json()  # what is no JSON is a gateway's page and may pass
    try:
        page = rows.Page[row].model_validate_json(answer.body)  # type: ignore[valid-type]  # a class chosen by the caller
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise Unfitting(f"the answer of {path} does not fit: {place}: {problem['msg']}") from None
    if not page.value:
        raise Unknown(f"{path} has no such row")
    return content["value"][0], page.value[0]


def _named(row: Mapping[str, Any], field: str) -> str:
    """A field by a name that is a setting, as text."""
    value = row.get(field, row.get(field[:1].lower() + field[1:]))
    return "" if value is None else str(value)


def _literal(field: str, value: str) -> str:
    return value if field in rows.NUMERIC_FIELDS and value.lstrip("-").isdecimal() else rows.text(value)
