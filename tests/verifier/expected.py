"""What the orders must look like, recomputed from the raw records of the event topics.

This is the judge of the pipeline, so it shares no code with it and takes no short cuts: it collects what was said about
each order, and then answers one question after the other from that collection. Trust comes from reading it.

What an event says are its documented fields without personal data (a repeat that differs only in those is a repeat).
Every event that reached a topic counts, in whatever order, once per ``ce_id``.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

ORDER_TOPICS = ("norce.events.order", "norce.events.payment", "norce.events.subscription")
ERROR_MESSAGE_KEPT = 500
REPEAT_WINDOW_SECONDS = 60

SAYS = {
    "OrderReceivedEvent": ("Source",),
    "OrderConfirmedEvent": ("OrderId", "OrderNo", "Source"),
    "OrderPartlyDeliveredEvent": ("OrderId", "OrderNo", "Source"),
    "OrderReadyForPickupEvent": ("OrderId", "OrderNo", "Source", "DropPointCode"),
    "OrderDeliveredEvent": ("OrderId", "OrderNo", "Source"),
    "OrderCancelledEvent": ("OrderId", "OrderNo", "Source"),
    "OrderPaymentReceivedEvent": (
        "ErpOrderNo",
        "PaymentCode",
        "PaymentMethodCode",
        "PaymentRef",
        "Amount",
        "CurrencyCode",
    ),
    "SubscriptionFailedEvent": (
        "SubscriptionId",
        "RecurringOrderId",
        "RecurringOrderScheduleId",
        "BasketId",
        "ErrorMessage",
    ),
}
STATUS_BY_RANK = (
    ("OrderReceivedEvent", "received"),
    ("OrderConfirmedEvent", "confirmed"),
    ("OrderPartlyDeliveredEvent", "partly_delivered"),
    ("OrderReadyForPickupEvent", "ready_for_pickup"),
    ("OrderDeliveredEvent", "delivered"),
    ("OrderCancelledEvent", "cancelled"),
)
MAY_REPEAT = ("OrderPartlyDeliveredEvent", "OrderReadyForPickupEvent", "SubscriptionFailedEvent")


class RawRecord(NamedTuple):
    """A Kafka record as it was read. ``timestamp`` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Heard(NamedTuple):
    """One event about an order. ``said`` holds the fields of ``SAYS`` in that order."""

    event_type: str
    said: tuple[Any, ...]
    received_at: datetime
    event_id: str

    def field(self, name: str) -> Any:
        return self.said[SAYS[self.event_type].index(name)]


class Expected(NamedTuple):
    """What the record of one order must say."""

    status: str
    order_id: int | None
    order_no: str | None
    paid: dict[str, Decimal]
    payment_codes: list[str]
    failures: dict[tuple[Any, ...], int]
    """What was said of a failure, to how often it happened."""
    happened: Counter[str]
    """Event type to how often it happened."""
    first_ids: set[str]
    """The event that brought each occurrence first."""
    version: int


def expected_orders(
    records: Iterable[RawRecord],
    *,
    set_aside: frozenset[str] = frozenset(),
    repeat_window_seconds: float = REPEAT_WINDOW_SECONDS,
) -> dict[str, Expected]:
    """Order key to what its record must say. ``set_aside`` are the ids of events that were dead-lettered.

    Raises ``AssertionError`` for a record on the wrong partition key: then nothing that follows can be right.
    """
    heard: defaultdict[str, set[Heard]] = defaultdict(set)
    for record in records:
        if record.topic in ORDER_TOPICS:
            key, event = read(record)
            if key is not None and event.event_id not in set_aside:
                heard[key].add(event)
    return {key: expect(key, events, timedelta(seconds=repeat_window_seconds)) for key, events in heard.items()}


def read(record: RawRecord) -> tuple[str | None, Heard]:
    """The order key, if it is about an order, and the event."""
    headers = dict(record.headers)
    event_type = headers["ce_type"].decode().removeprefix("io.norce.")
    event_id = headers["ce_id"].decode()
    received_at = datetime.fromisoformat(headers["ce_time"].decode())
    assert record.value is not None, f"{record.topic}/{record.partition}@{record.offset} has no value"
    body = json.loads(record.value, parse_float=shortest_decimal)
    if event_type not in SAYS:
        return None, Heard(event_type, (), received_at, event_id)
    said = tuple(cut(body.get(name)) if name == "ErrorMessage" else body.get(name) for name in SAYS[event_type])
    key = order_key(event_type, body)
    if key is not None:
        assert record.key == key.encode(), f"{record.topic}/{record.partition}@{record.offset} has the wrong key"
    return key, Heard(event_type, said, received_at, event_id)


def shortest_decimal(literal: str) -> Decimal:
    """The amount that a reader of doubles takes the literal for, without the double's binary tail."""
    return Decimal(repr(float(literal)))


def cut(message: str | None) -> str | None:
    """What is kept of a free text. Of what may name persons, the simulated Norce's texts have addresses only."""
    return None if message is None else re.sub(r"\S+@\S+", "[e-mail]", message)[:ERROR_MESSAGE_KEPT]


def order_key(event_type: str, body: dict[str, Any]) -> str | None:
    reference = body.get("BasketId") if event_type == "SubscriptionFailedEvent" else body["ClientOrderRef"]
    return None if reference is None else f"{body['ClientId']}:{body['ApplicationId']}:{reference}"


def expect(key: str, events: set[Heard], repeat_window: timedelta) -> Expected:
    reference = key.split(":", 2)[2]
    first_of_each = occurrences(events, repeat_window)
    paid, payment_codes = money(events)
    return Expected(
        status=status(events),
        order_id=order_id(events),
        order_no=order_no(events, reference),
        paid=paid,
        payment_codes=payment_codes,
        failures=dict(Counter(e.said for e in first_of_each if e.event_type == "SubscriptionFailedEvent")),
        happened=Counter(e.event_type for e in first_of_each),
        first_ids={e.event_id for e in first_of_each},
        version=len(events),
    )


def occurrences(events: set[Heard], repeat_window: timedelta) -> list[Heard]:
    """The first event of each occurrence of each thing that was said."""
    same: defaultdict[tuple[str, tuple[Any, ...]], list[Heard]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.received_at, e.event_id)):
        same[event.event_type, event.said].append(event)
    firsts = []
    for (event_type, _), repeats in same.items():
        firsts.append(repeats[0])
        if event_type in MAY_REPEAT:
            for before, after in zip(repeats, repeats[1:], strict=False):  # noqa: RUF007  as plain as can be
                if after.received_at - before.received_at >= repeat_window:
                    firsts.append(after)
    return firsts


def status(events: set[Heard]) -> str:
    types = {e.event_type for e in events}
    answer = "unknown"
    for event_type, name in STATUS_BY_RANK:
        if event_type in types:
            answer = name
    return answer


def order_id(events: set[Heard]) -> int | None:
    """The greatest that the event of the highest status names."""
    answer = None
    for event_type, _ in STATUS_BY_RANK:
        named = [e.field("OrderId") for e in events if e.event_type == event_type and "OrderId" in SAYS[event_type]]
        if named:
            answer = max(named)
    return answer


def order_no(events: set[Heard], reference: str) -> str | None:
    """As the order id, payments being lowest, but the order's own reference only if nothing else is named."""
    named_by_rank = [[e.field("ErpOrderNo") for e in events if e.event_type == "OrderPaymentReceivedEvent"]]
    for event_type, _ in STATUS_BY_RANK:
        if "OrderNo" in SAYS[event_type]:
            named_by_rank.append([e.field("OrderNo") for e in events if e.event_type == event_type])
    answer = reference if any(reference in named for named in named_by_rank) else None
    for named in named_by_rank:
        numbers = [number for number in named if number not in ("", reference)]
        if numbers:
            answer = max(numbers)
    return answer


def money(events: set[Heard]) -> tuple[dict[str, Decimal], list[str]]:
    """Currency to what was paid, and the payment codes. One amount counts per code, however often it was stated."""
    by_code: defaultdict[str, list[Heard]] = defaultdict(list)
    for event in events:
        if event.event_type == "OrderPaymentReceivedEvent":
            by_code[event.field("PaymentCode")].append(event)
    paid: dict[str, Decimal] = {}
    for stated in by_code.values():
        amount, currency = one_amount([(e.field("Amount"), e.field("CurrencyCode") or None) for e in stated])
        if amount is not None and currency is not None:
            with localcontext(prec=100):
                paid[currency] = paid.get(currency, Decimal(0)) + amount
    return paid, sorted(by_code)


def one_amount(stated: list[tuple[Decimal | int | None, str | None]]) -> tuple[Decimal | None, str | None]:
    """The greatest amount stated with its currency; if none was, the greatest amount and the greatest currency."""
    whole = [(Decimal(amount), currency) for amount, currency in stated if amount is not None and currency is not None]
    if whole:
        return max(whole)
    amounts = [Decimal(amount) for amount, _ in stated if amount is not None]
    currencies = [currency for _, currency in stated if currency is not None]
    return max(amounts, default=None), max(currencies, default=None)
