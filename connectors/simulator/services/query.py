"""Commerce Query: reads orders, invoices and products as Commerce holds them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from connectors.simulator import goods
from connectors.simulator.commerce import Commerce, Order
from connectors.simulator.contract import DoesNotFit, Incoming, Operation
from connectors.simulator.journal import Call, Journal
from connectors.simulator.odata import comparisons, fits, shaped
from connectors.simulator.services.query_lists import changed_orders, failed_runs, for_sweeps, shown_run
from connectors.simulator.services.service import Answer, Refused, Service, Tokens, bearer_token
from connectors.simulator.shops import SHOPS

DEFAULT_TOP = 100

_ORDER_FIELDS = {"Id", "ClientId", "ApplicationId", "QuotationId", "OrderNo", "ClientOrderRef"}
_INVOICE_FIELDS = {"Id", "ClientId", "ReferenceOrderId"}
_SKU_FIELDS = {"PartNo", "ClientId"}
_CURRENCY_FIELDS = {"Id", "Code"}

Wanted = Mapping[str, str | int]
Row = Mapping[str, Any]


class Query(Service):
    """Lists by $filter, and what a sweep asks for. Orders are those of the application that the header names."""

    name = "query"

    def __init__(self, commerce: Commerce, tokens: Tokens, journal: Journal) -> None:
        super().__init__(journal)
        self._commerce = commerce
        self._tokens = tokens
        self._lists: Mapping[str, tuple[set[str], Callable[[Wanted], Iterable[Row]]]] = MappingProxyType(
            {
                "GetOrders": (_ORDER_FIELDS, lambda wanted: map(_order_row, self._orders(wanted))),
                "GetInvoices": (_INVOICE_FIELDS, self._invoices),
                "GetProductSkus": (_SKU_FIELDS, _skus),
                "GetCurrencies": (_CURRENCY_FIELDS, _currencies),
            }
        )

    def admit(self, incoming: Incoming) -> None:
        token = bearer_token(incoming)
        if token is None or not self._tokens.accepts(token):
            raise Refused(Answer(401, headers={"WWW-Authenticate": "Bearer"}))

    def order_of(self, operation: Operation, incoming: Incoming) -> str | None:
        if operation.id not in ("GetOrders", "GetInvoices"):
            return None
        fields, _ = self._lists[operation.id]
        try:
            wanted = comparisons(incoming.parameter("$filter"), fields)
        except DoesNotFit:
            return None
        if operation.id == "GetInvoices":
            order = self._commerce.of_invoice(wanted.get("Id", 0))
            return order.client_order_ref if order is not None else None
        found = list(islice(self._orders(wanted), 2))
        return found[0].client_order_ref if len(found) == 1 else None

    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        top = int(incoming.parameter("$top") or DEFAULT_TOP)
        swept = self._swept(operation, incoming.parameter("$filter") or "")
        if swept is not None:
            return Answer(200, {"value": list(islice(swept, top))})
        fields, listed = self._lists[operation.id]
        wanted = comparisons(incoming.parameter("$filter"), fields)
        skip = int(incoming.parameter("$skip") or 0)
        chosen: Iterator[Row] = (row for row in listed(wanted) if fits(row, wanted))
        if operation.id == "GetOrders":
            application = int(incoming.headers["applicationid"])
            chosen = (row for row in chosen if row["ApplicationId"] == application)
        select, expand = incoming.parameter("$select"), incoming.parameter("$expand")
        return Answer(200, {"value": [shaped(row, select, expand) for row in islice(chosen, skip, skip + top)]})

    def _swept(self, operation: Operation, condition: str) -> Iterator[Row] | None:
        """What a sweep asks for; None where somebody looks things up."""
        if operation.id == "GetRecurringOrderSchedules":
            runs = failed_runs(self._commerce, condition)
            if runs is None:
                raise DoesNotFit("query $filter: only the failed runs of a time are simulated")
            return (shown_run(*run) for run in runs)
        orders = changed_orders(self._commerce, condition) if operation.id == "GetOrders" else None
        return None if orders is None else map(_order_row, orders)

    def error(self, status: int, message: str, *, code: str = "error") -> Answer:
        return Answer(status, {"error": {"code": code, "message": message}})

    def _orders(self, wanted: Wanted) -> Iterator[Order]:
        """The orders that may fit; one that is asked for by what it is filed under is not searched for."""
        found: Order | None
        if "Id" in wanted:
            found = self._commerce.with_id(wanted["Id"])
        elif "ClientOrderRef" in wanted:
            found = self._commerce.find(client_order_ref=str(wanted["ClientOrderRef"]))
        elif "OrderNo" in wanted:
            found = self._commerce.find(order_no=str(wanted["OrderNo"]))
        elif "QuotationId" in wanted:
            found = self._commerce.find(client_order_ref=str(wanted["QuotationId"]))
        else:
            yield from self._commerce.orders()
            return
        if found is not None and fits(_order_row(found), wanted):
            yield found

    def _invoices(self, wanted: Wanted) -> Iterator[Row]:
        order = self._commerce.of_invoice(wanted["Id"]) if "Id" in wanted else None
        if order is not None:
            yield {"Id": wanted["Id"], "ClientId": order.client_id, "ReferenceOrderId": order.order_id}


def _skus(wanted: Wanted) -> Iterator[Row]:
    part_no, client_id = wanted.get("PartNo"), wanted.get("ClientId")
    name = goods.product_name(part_no) if isinstance(part_no, str) else None
    if name is not None and client_id in {shop.client_id for shop in SHOPS}:
        yield {"PartNo": part_no, "ClientId": client_id, "Product": {"DefaultName": name}}


def _currencies(wanted: Wanted) -> Iterator[Row]:
    yield from ({"Id": number, "Code": code} for code, number in goods.CURRENCIES.items())


def _order_row(order: Order) -> Row:
    return {
        "Id": order.order_id,
        "ClientId": order.client_id,
        "ApplicationId": order.application_id,
        "QuotationId": int(order.client_order_ref) if order.client_order_ref.isdecimal() else None,
        "OrderNo": order.order_no,
        "ClientOrderRef": order.client_order_ref,
        "StatusId": order.status_number,
        "Source": order.source,
        **for_sweeps(order),
        "CurrencyId": goods.CURRENCIES.get(order.currency),
        "FreightCost": float(sum(line.amount for line in order.lines if line.part_no == goods.FREIGHT_PART_NO)),
        "Items": [
            {
                "LineNumber": line.number,
                "PartNo": line.part_no,
                "ProductName": line.name,
                "QtyOrdered": float(line.quantity),
                "PriceSale": float(line.unit_price),
                "VatRate": float(goods.VAT_RATE),
                "LineAmount": float(line.amount),
            }
            for line in order.lines
        ],
        "Payments": [
            {
                "PaymentCode": payment.code,
                "PaymentMethodCode": payment.method,
                "PaymentRef": payment.reference,
                "Amount": None if payment.amount is None else float(payment.amount),
                "CurrencyCode": payment.currency,
            }
            for payment in order.payments.values()
        ],
    }
