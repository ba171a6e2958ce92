"""Checkout Order API: finds Checkout orders and writes their attributes."""

import hmac
import json
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from connectors.simulator.checkout_orders import SETTLED, CheckoutOrder, CheckoutOrders
from connectors.simulator.commerce import Commerce, Update
from connectors.simulator.contract import DoesNotFit, Incoming, Operation
from connectors.simulator.journal import OTHER_CHECKOUT_ORDER, Call, Journal, version_of
from connectors.simulator.services.service import Answer, Refused, Service, bearer_token

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_SIMULATED = frozenset(
    {
        "cart_reference",
        "reference",
        "status",
        "limit",
        "offset",
        "order_by",
        "order_by_direction",
        "date_from",
        "date_to",
    }
)


class Checkout(Service):
    """List, get and patch, with static tokens."""

    name = "checkout"

    def __init__(
        self, orders: CheckoutOrders, commerce: Commerce, tokens: Sequence[SecretStr], journal: Journal
    ) -> None:
        super().__init__(journal)
        self._orders = orders
        self._commerce = commerce
        self._tokens = tokens

    def admit(self, incoming: Incoming) -> None:
        given = (bearer_token(incoming) or "").encode()
        known = [hmac.compare_digest(given, token.get_secret_value().encode()) for token in self._tokens]
        if not any(known):
            raise Refused(self.error(401, "the token is missing or unknown", code="unauthorized"))

    def order_of(self, operation: Operation, incoming: Incoming) -> str | None:
        if (identifier := incoming.path.get("orderId")) is not None:
            order = self._orders.get(identifier)
            return order.cart_reference if order else None
        reference = incoming.parameter("cart_reference")
        return reference if reference is not None and self._orders.of_basket(reference) else None

    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        if operation.id == "GetCheckoutOrders":
            return Answer(200, self._page(incoming))
        order = self._orders.get(incoming.path["orderId"])
        if order is None or not _belongs(order, incoming):
            raise Refused(self.error(404, "no such order", code="order-not-found"))
        if operation.id == "GetCheckoutOrder":
            return Answer(200, order.as_json())
        self._patch(order, content, call)
        return Answer(200)

    def error(self, status: int, message: str, *, code: str = "error") -> Answer:
        return Answer(status, {"code": code, "message": message})

    def _page(self, incoming: Incoming) -> dict[str, Any]:
        unheard = {name for name, _ in incoming.query} - _SIMULATED
        if unheard:
            raise DoesNotFit(f"query {', '.join(sorted(unheard))}: not simulated")
        offset, limit = _count(incoming, "offset", 0), min(MAX_LIMIT, _count(incoming, "limit", DEFAULT_LIMIT))
        chosen = self._chosen(incoming)
        page = chosen[offset : offset + limit]
        pagination = {"offset": offset, "limit": limit, "size": len(page), "totalSize": len(chosen)}
        return {"data": [order.as_json() for order in page], "pagination": pagination}

    def _chosen(self, incoming: Incoming) -> list[CheckoutOrder]:
        """What the query asks for. Norce documents no order of its own; here it is oldest first."""
        if incoming.parameter("order_by") not in (None, "created"):
            raise DoesNotFit("query order_by: only created is simulated")
        basket = incoming.parameter("cart_reference")
        orders = self._orders.orders() if basket is None else iter(self._orders.of_basket(basket))
        statuses = {value for name, value in incoming.query if name == "status"}
        first, end = incoming.parameter("date_from"), incoming.parameter("date_to")
        chosen = [
            order
            for order in orders
            if _belongs(order, incoming)
            and (not statuses or order.status in statuses)
            and order.is_made_between(first, end)
        ]
        if incoming.parameter("reference") is not None:  # no order here has an external reference
            return []
        return chosen[::-1] if incoming.parameter("order_by_direction") == "desc" else chosen

    def _patch(self, order: CheckoutOrder, attributes: dict[str, Any], call: Call) -> None:
        for name, value in attributes.items():
            version = version_of(value.get("version")) if isinstance(value, dict) else None
            if version is not None:
                self.journal.applied_version(call, name, version)
        if order.status not in SETTLED and any(
            other.status in SETTLED for other in self._orders.of_basket(order.cart_reference)
        ):
            self.journal.violate(OTHER_CHECKOUT_ORDER, call, f"order {order.id} is in {order.status}")
        order.attributes.update(attributes)
        order.changes += 1
        commerce_order = self._commerce.find(order.cart_reference)
        if commerce_order is not None:
            operation = "PatchCheckoutOrderAttributes"
            commerce_order.updates.append(Update(call.number, self.name, operation, attributes))
            commerce_order.applied[f"{operation} {json.dumps(attributes, sort_keys=True)}"] += 1


def _belongs(order: CheckoutOrder, incoming: Incoming) -> bool:
    place = (incoming.headers["x-merchant"], incoming.headers["x-channel"])
    return (order.merchant, order.channel) == place


def _count(incoming: Incoming, name: str, default: int) -> int:
    value = int(incoming.parameter(name) or default)
    if value < 0:
        raise DoesNotFit(f"query {name}: less than 0")
    return value
