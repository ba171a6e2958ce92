"""A receiver on FastAPI as its documentation shows: a route and a model for each event, the secret a dependency."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel

from benchmarks.peers import receiving

ORDERS, PAYMENTS, SUBSCRIPTIONS = "norce.events.order", "norce.events.payment", "norce.events.subscription"


class ShopEvent(BaseModel):
    ClientId: int
    ApplicationId: int


class OrderReceived(ShopEvent):
    ClientOrderRef: str
    Source: str
    CellPhone: str | None = None
    FirstName: str | None = None
    LastName: str | None = None
    Email: str | None = None


class OrderStatus(ShopEvent):
    OrderId: int
    OrderNo: str
    ClientOrderRef: str
    Source: str
    CellPhone: str | None = None
    FirstName: str | None = None
    LastName: str | None = None
    DropPointCode: str | None = None


class Payment(ShopEvent):
    ClientOrderRef: str
    ErpOrderNo: str
    PaymentCode: str
    PaymentMethodCode: str | None = None
    PaymentRef: str | None = None
    Amount: Decimal | None = None
    CurrencyCode: str | None = None


class SubscriptionFailed(ShopEvent):
    SubscriptionId: int | None = None
    RecurringOrderId: int | None = None
    RecurringOrderScheduleId: int | None = None
    BasketId: int | None = None
    CellPhone: str | None = None
    FirstName: str | None = None
    LastName: str | None = None
    Email: str | None = None
    ErrorMessage: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.producer = receiving.producer()
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


app = FastAPI(lifespan=lifespan)


async def authenticated(x_norce_secret: Annotated[str, Header()] = "") -> None:
    if not receiving.allowed(x_norce_secret.encode()):
        raise HTTPException(401)


Authenticated = Annotated[None, Depends(authenticated)]


async def publish(request: Request, event_type: str, topic: str, event: ShopEvent, reference: Any) -> Response:
    key = f"{event.ClientId}:{event.ApplicationId}:{reference}".encode()
    body = await request.body()
    await request.app.state.producer.send_and_wait(topic, body, key, headers=receiving.headers(event_type, key))
    return Response()


@app.post("/webhooks/norce/OrderReceivedEvent")
async def received(event: OrderReceived, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderReceivedEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderConfirmedEvent")
async def confirmed(event: OrderStatus, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderConfirmedEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderPartlyDeliveredEvent")
async def partly_delivered(event: OrderStatus, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderPartlyDeliveredEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderReadyForPickupEvent")
async def ready_for_pickup(event: OrderStatus, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderReadyForPickupEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderDeliveredEvent")
async def delivered(event: OrderStatus, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderDeliveredEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderCancelledEvent")
async def cancelled(event: OrderStatus, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderCancelledEvent", ORDERS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/OrderPaymentReceivedEvent")
async def paid(event: Payment, request: Request, _: Authenticated) -> Response:
    return await publish(request, "OrderPaymentReceivedEvent", PAYMENTS, event, event.ClientOrderRef)


@app.post("/webhooks/norce/SubscriptionFailedEvent")
async def failed(event: SubscriptionFailed, request: Request, _: Authenticated) -> Response:
    return await publish(request, "SubscriptionFailedEvent", SUBSCRIPTIONS, event, event.BasketId)


@app.get("/readyz")
async def ready() -> Response:
    return Response()
