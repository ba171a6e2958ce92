"""What the records of every group but orders must look like, recomputed from the raw records of the event topics.

As ``expected`` for orders: the judge shares no code with the pipeline and takes no short cuts. It knows nothing of
bounded histories, so it may be asked only about things with a shorter past than the pipeline keeps.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from tests.verifier.expected import RawRecord, shortest_decimal

WINDOW = timedelta(seconds=60)
STATUSES = {1: "initialised", 2: "succeeded", 3: "failed", 4: "validation_failed", 5: "validating", 6: "queued"}
PROGRESS = ("initialised", "queued", "validating", "succeeded", "failed", "validation_failed")
FINAL = ("succeeded", "failed", "validation_failed")


class Said(NamedTuple):
    """One event: when and as which it was received, and what it says."""

    received_at: datetime
    event_id: str
    event_type: str
    body: dict[str, Any]


Group = dict[str, Any]
"""What the record must say, by the names below."""


def expected_groups(records: Iterable[RawRecord]) -> dict[tuple[str, str], Group]:
    """``(table, key)`` to what its record must say."""
    heard: defaultdict[tuple[str, str], dict[str, Said]] = defaultdict(dict)
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        body = json.loads(record.value or b"", parse_float=shortest_decimal)
        event_type = headers["ce_type"].removeprefix("io.norce.")
        said = Said(datetime.fromisoformat(headers["ce_time"]), headers["ce_id"], event_type, body)
        for place in places(event_type, body):
            heard[place][said.event_id] = said
    return {place: DESCRIBE[place[0]](sorted(events.values(), key=lambda e: e[:2])) for place, events in heard.items()}


def places(event_type: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    client = body["ClientId"]
    if "PartNo" in body:
        return [("products", f"{client}:{body['PartNo']}")]
    if event_type == "JobCompletedEvent":
        return [("jobs", f"{client}:{body['JobId']}")]
    if event_type == "CustomerChangedNotification":
        return [("customers", f"{client}:customer={body['CustomerId']}")]
    if event_type == "CompanyChangedNotification":
        return [("companies", f"{client}:company={body['CompanyId']}")]
    if event_type == "InvoiceCaptureCompletedEvent":
        return [("invoices", f"{client}:{body['CapturedInvoiceId']}")]
    if event_type == "SubscriptionFailedEvent":
        shop = f"{client}:{body['ApplicationId']}"
        found = [
            ("subscriptions", f"{shop}:{name}={body[field]}")
            for name, field in (("subscription", "SubscriptionId"), ("recurring", "RecurringOrderId"))
            if body.get(field) is not None
        ]
        nameless = not found and body.get("BasketId") is None
        return [("subscriptions", f"{shop}:unidentified")] if nameless else found
    return []


def product(events: list[Said]) -> Group:
    prices = newest(events, "SkuPriceChangedNotification", "PricelistId", "QuantityBreak")
    costs = newest(events, "SupplierSkuPriceChangedNotification", "SupplierId", "PricelistId", "QuantityBreak")
    stock = newest(events, "SkuOnHandBreakPointNotification", "WarehouseId", "LocationId")
    known = [Decimal(cost["PriceSaleValue"]) for cost in costs.values() if cost.get("PriceSaleValue") is not None]
    cheapest = min(known, default=None)
    return {
        "prices": {place: Decimal(price["PriceSaleValue"]) for place, price in prices.items()},
        "margins": {
            place: None if cheapest is None else Decimal(price["PriceSaleValue"]) - cheapest
            for place, price in prices.items()
        },
        "costs": {
            place: None if cost.get("PriceSaleValue") is None else Decimal(cost["PriceSaleValue"])
            for place, cost in costs.items()
        },
        "stock": {place: (Decimal(p["OnHandValue"]), Decimal(p["MinimumValue"])) for place, p in stock.items()},
        "changes": counted(events, "SkuChangedNotification"),
    }


def newest(events: list[Said], event_type: str, *place: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The last body of each place. The events are sorted by receipt."""
    return {tuple(e.body.get(name) for name in place): e.body for e in events if e.event_type == event_type}


def counted(events: list[Said], *event_types: str) -> dict[tuple[Any, ...], int]:
    """Application and table to the number of changes: deliveries within the window of the last one are one."""
    times: defaultdict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    for event in events:
        if event.event_type in event_types:
            times[event.body.get("ApplicationId"), event.body["EntityChanged"]].append(event.received_at)
    return {
        place: sum(1 for n, at in enumerate(found) if n == 0 or at - found[n - 1] >= WINDOW)
        for place, found in times.items()
    }


def party(events: list[Said]) -> Group:
    return {"changes": counted(events, "CustomerChangedNotification", "CompanyChangedNotification")}


def job(events: list[Said]) -> Group:
    first: dict[str, tuple[datetime, str]] = {}
    for event in events:
        first.setdefault(STATUSES[event.body["StatusId"]], event[:2])
    ended = [status for status in FINAL if status in first]
    if ended:
        outcome = max(ended, key=lambda status: (first[status], PROGRESS.index(status)))
    else:
        outcome = max(first, key=PROGRESS.index)
    times = [at for at, _ in first.values()]
    seconds = None
    if len(first) > 1:
        seconds = Decimal((max(times) - min(times)) // timedelta(microseconds=1)) / 1_000_000
    return {"outcome": outcome, "states": set(first), "seconds": seconds}


def invoice(events: list[Said]) -> Group:
    states = {event.body["State"] for event in events}
    return {"outcome": "captured" if "Captured" in states else "error"}


def subscription(events: list[Said]) -> Group:
    fields = ("SubscriptionId", "RecurringOrderId", "RecurringOrderScheduleId", "BasketId")
    times: defaultdict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    for event in events:
        message = str(event.body.get("ErrorMessage"))
        for name in ("FirstName", "LastName"):  # what is kept names nobody: failures of two people read the same
            message = message.replace(event.body.get(name) or "[person]", "[person]")
        times[*(event.body.get(name) for name in fields), message].append(event.received_at)
    failures = sum(1 for found in times.values() for n, at in enumerate(found) if n == 0 or at - found[n - 1] >= WINDOW)
    baskets = {event.body.get("BasketId") for event in events} - {None}
    return {"failures": failures, "baskets": {str(basket) for basket in baskets}}


DESCRIBE = {
    "products": product,
    "customers": party,
    "companies": party,
    "jobs": job,
    "invoices": invoice,
    "subscriptions": subscription,
}


# -- the same, read off a published record -----------------------------------------------------------------------------


def shown(table: str, record: dict[str, Any]) -> Group:
    return SHOW[table](record)


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def shown_product(record: dict[str, Any]) -> Group:
    prices = {(p["pricelist_id"], number(p["quantity_break"])): p for p in record["sale_prices"]}
    return {
        "prices": {place: Decimal(price["price"]) for place, price in prices.items()},
        "margins": {place: number(price["margin"]) for place, price in prices.items()},
        "costs": {
            (supplier["supplier_id"], cost["pricelist_id"], number(cost["quantity_break"])): number(cost["cost"])
            for supplier in record["suppliers"]
            for cost in supplier["costs"]
        },
        "stock": {
            (p["warehouse_id"], p["location_id"]): (Decimal(p["on_hand"]), Decimal(p["minimum"]))
            for p in record["stock"]
        },
        **shown_party(record),
    }


def shown_party(record: dict[str, Any]) -> Group:
    return {"changes": {(c["application_id"], c["entity"]): c["changes"] for c in record["changes"]}}


def shown_job(record: dict[str, Any]) -> Group:
    states = {state["outcome"] for state in record["states"]}
    return {"outcome": record["outcome"], "states": states, "seconds": number(record["seconds"])}


def shown_invoice(record: dict[str, Any]) -> Group:
    return {"outcome": record["outcome"]}


def shown_subscription(record: dict[str, Any]) -> Group:
    return {"failures": record["failures"], "baskets": {key.split(":", 2)[2] for key in record["order_keys"]}}


SHOW = {
    "products": shown_product,
    "customers": shown_party,
    "companies": shown_party,
    "jobs": shown_job,
    "invoices": shown_invoice,
    "subscriptions": shown_subscription,
}
