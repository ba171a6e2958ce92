"""Commerce Query: reads orders as Commerce holds them."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

from connectors.simulator.commerce import Commerce, Order
from connectors.simulator.contract import DoesNotFit, Incoming, Operation
from connectors.simulator.journal import Call, Journal
from connectors.simulator.services.query_lists import changed_orders, failed_runs, for_sweeps, shown_run
from connectors.simulator.services.service import Answer, Refused, Service, Tokens, bearer_token

DEFAULT_TOP = 100

_FILTER = re.compile(r"\s*(ClientOrderRef|OrderNo)\s+eq\s+'((?:[^']|'')*)'\s*")


class Query(Service):
    """GET Orders, one application at a time, and the failed runs of recurring orders."""

    name = "query"

    def __init__(self, commerce: Commerce, tokens: Tokens, journal: Journal) -> None:
        super().__init__(journal)
        self._commerce = commerce
        self._tokens = tokens

    def admit(self, incoming: Incoming) -> None:
        token = bearer_token(incoming)
        if token is None or not self._tokens.accepts(token):
            raise Refused(Answer(401, headers={"WWW-Authenticate": "Bearer"}))

    def order_of(self, operation: Operation, incoming: Incoming) -> str | None:
        try:
            orders = list(islice(self._chosen(incoming.parameter("$filter")), 2))
        except DoesNotFit:
            return None
        return orders[0].client_order_ref if len(orders) == 1 else None

    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        application = int(incoming.headers["applicationid"])
        top = int(incoming.parameter("$top") or DEFAULT_TOP)
        skip = int(incoming.parameter("$skip") or 0)
        if operation.id == "GetRecurringOrderSchedules":
            runs = failed_runs(self._commerce, incoming.parameter("$filter") or "")
            if runs is None:
                raise DoesNotFit("query $filter: only the failed runs of a time are simulated")
            return Answer(200, {"value": [shown_run(*run) for run in islice(runs, top)]})
        chosen = (order for order in self._chosen(incoming.parameter("$filter")) if order.application_id == application)
        return Answer(200, {"value": [_shown(order) for order in islice(chosen, skip, skip + top)]})

    def error(self, status: int, message: str, *, code: str = "error") -> Answer:
        return Answer(status, {"error": {"code": code, "message": message}})

    def _chosen(self, condition: str | None) -> Iterable[Order]:
        if condition is None:
            return self._commerce.orders()
        changed = changed_orders(self._commerce, condition)
        if changed is not None:
            return changed
        match = _FILTER.fullmatch(condition)
        if match is None:
            raise DoesNotFit("query $filter: only ClientOrderRef eq '...', OrderNo eq '...' and sweeps are simulated")
        field, text = match[1], match[2].replace("''", "'")
        order = self._commerce.find(**{"client_order_ref" if field == "ClientOrderRef" else "order_no": text})
        held = order is not None and text in (order.client_order_ref, order.order_no)
        return [order] if order is not None and held else []


def _shown(order: Order) -> dict[str, Any]:
    return {
        "Id": order.order_id,
        "OrderNo": order.order_no,
        "ClientOrderRef": order.client_order_ref,
        "ApplicationId": order.application_id,
        "StatusId": order.status_number,
        "Source": order.source,
        **for_sweeps(order),
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
