"""What the simulator tells about itself under ``/simulator``, and how its knobs are turned from outside."""

import json
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.simulator.commerce import Order
from connectors.simulator.draws import generator
from connectors.simulator.goods import lines
from connectors.simulator.knobs import UnknownKnob

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

MAX_PAGE = 1_000
_DEFAULT_PAGE = 100


class NewOrder(BaseModel):
    """An order that is in no script, for tests that post their own events."""

    model_config = ConfigDict(extra="forbid", strict=True)

    client_id: int
    application_id: int
    client_order_ref: str = Field(min_length=1)
    order_id: int = 1
    order_no: str | None = Field(default=None, description="The reference, if left out")
    source: str = "WEB"
    merchant: str | None = Field(default=None, description="With channel: it gets a Checkout order too")
    channel: str | None = None
    currency: str = "SEK"
    total: Decimal = Field(default=Decimal(100), gt=0, description="What its lines come to, with VAT")
    invoice_id: int | None = Field(default=None, description="It has this invoice")


def routes(simulator: "Simulator") -> list[web.RouteDef]:
    """The routes of the simulator itself."""
    pages = _Pages(simulator)
    return [
        web.get("/simulator/state", pages.state),
        web.get("/simulator/knobs", pages.knobs),
        web.post("/simulator/knobs", pages.turn),
        web.get("/simulator/calls", pages.calls),
        web.get("/simulator/events", pages.events),
        web.post("/simulator/events/{event_type}", pages.post_event),
        web.get("/simulator/orders", pages.orders),
        web.post("/simulator/orders", pages.add_order),
        web.get("/simulator/orders/{reference:.+}", pages.order),
    ]


class _Pages:
    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    async def state(self, request: web.Request) -> web.Response:
        return _json(self._simulator.state())

    async def knobs(self, request: web.Request) -> web.Response:
        return _json(self._simulator.controls.as_json())

    async def turn(self, request: web.Request) -> web.Response:
        changes = await _object(request)
        try:
            self._simulator.controls.change(changes)
        except UnknownKnob as error:
            return _wrong(str(error))
        return _json(self._simulator.controls.as_json())

    async def calls(self, request: web.Request) -> web.Response:
        offset, limit = _page(request)
        return _json(self._simulator.journal.page(offset, limit, request.query.get("service")))

    async def events(self, request: web.Request) -> web.Response:
        return _json(self._simulator.deliveries.page(*_page(request)))

    async def post_event(self, request: web.Request) -> web.Response:
        """Post a body of the caller's own, as it is, with the retry schedule."""
        event_type, body = request.match_info["event_type"], await request.read()
        try:
            number = self._simulator.post(event_type, body, request.query.get("order"))
        except RuntimeError as error:
            return _wrong(str(error), status=409)
        return _json({"number": number}, status=202)

    async def orders(self, request: web.Request) -> web.Response:
        offset, limit = _page(request)
        orders = list(self._simulator.commerce.orders())
        shown = [_summary(order) for order in orders[offset : offset + limit]]
        return _json({"total": len(orders), "orders": shown})

    async def add_order(self, request: web.Request) -> web.Response:
        try:
            asked = NewOrder.model_validate(await _object(request))
            self._add(asked)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            return _wrong("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems))
        except ValueError as error:
            return _wrong(str(error), status=409)
        return _json({"client_order_ref": asked.client_order_ref}, status=201)

    async def order(self, request: web.Request) -> web.Response:
        order = self._simulator.commerce.find(request.match_info["reference"])
        if order is None:
            return _wrong("no such order", status=404)
        return _json(self._whole(order))

    def _add(self, asked: NewOrder) -> None:
        simulator, reference = self._simulator, asked.client_order_ref
        number = asked.order_no or reference
        order = Order(asked.client_id, asked.application_id, reference, asked.order_id, number, asked.source)
        order.currency = asked.currency
        order.lines = lines(asked.total, generator(0, "lines", reference))
        simulator.commerce.add(order)
        if asked.invoice_id is not None:
            simulator.commerce.invoice(order, asked.invoice_id)
        if asked.merchant is not None and asked.channel is not None:
            simulator.checkout_orders.add(reference, asked.merchant, asked.channel, asked.currency)

    def _whole(self, order: Order) -> dict[str, Any]:
        reference = order.client_order_ref
        deliveries = self._simulator.deliveries.by_order.get(reference, [])
        return {
            **_summary(order),
            "former_numbers": order.former_numbers,
            "currency": order.currency,
            "lines": [asdict(line) for line in order.lines],
            "payments": [asdict(payment) for payment in order.payments.values()],
            "infos": order.infos,
            "checkout_orders": [each.as_json() for each in self._simulator.checkout_orders.of_basket(reference)],
            "events": [delivery.as_json() for delivery in deliveries],
            "updates": [asdict(update) for update in order.updates],
            "applied": dict(order.applied),
        }


def _summary(order: Order) -> dict[str, Any]:
    return {
        "client_id": order.client_id,
        "application_id": order.application_id,
        "client_order_ref": order.client_order_ref,
        "order_id": order.order_id,
        "order_no": order.order_no,
        "source": order.source,
        "status": order.status,
        "status_id": order.status_number,
        "updates_received": len(order.updates),
    }


def _json(content: Any, status: int = 200) -> web.Response:
    return web.json_response(content, status=status, dumps=lambda value: json.dumps(value, default=str))


def _wrong(message: str, status: int = 400) -> web.Response:
    return _json({"error": message}, status)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        content = await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="not one JSON object")
    return content


def _page(request: web.Request) -> tuple[int, int]:
    try:
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", _DEFAULT_PAGE))
    except ValueError:
        raise web.HTTPBadRequest(text="offset and limit are numbers") from None
    return max(0, offset), min(MAX_PAGE, max(1, limit))
