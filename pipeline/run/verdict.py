"""The proof of a run: what Norce meant, what is on the topics, and what Norce was told, compared one by one.

What Norce meant is read off the scenario's script, not computed from events by the pipeline's own rules.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from itertools import chain, islice
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.simulator import Expectation, ExpectedOrder, product_name
from pipeline import topics
from pipeline.audit.course import Groups, Request, audit
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.framing import unframed
from pipeline.run.observe import Snapshot
from pipeline.settings import KafkaSettings

SERVERS = KafkaSettings.variable("bootstrap_servers")

SHOWN = 5
"""Differences named in a check that fails."""


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about the run. ``differences`` is empty if it holds."""

    statement: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Balance:
    """What the audit found."""

    events: int
    updates: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the checks look at."""

    snapshot: Snapshot
    expectation: Expectation
    posted: tuple[Mapping[str, Any], ...]
    """Events as Norce posted them, each with the hash of its bytes."""
    held: Mapping[str, Mapping[str, Any]]
    """Norce's orders in the end, by key."""
    events: tuple[Any, ...]
    quarantine: tuple[Any, ...]
    enriched: Mapping[str, Mapping[str, Any]]
    """The newest enriched record of each order, by key."""
    updates: Mapping[tuple[str, str], Mapping[str, Any]]
    """The newest update, by target and key."""
    dead_letters: tuple[Any, ...]
    ledger: Balance
    products: Mapping[str, Mapping[str, Any]]
    """The newest enriched record of each product, by key."""
    invoices: Mapping[str, Mapping[str, Any]]
    """The same of each invoice."""


async def gather(
    bootstrap_servers: str, simulator_url: str, snapshot: Snapshot, expectation: Expectation, groups: Groups
) -> Evidence:
    """Read the topics from first to last record, and what the simulated Norce holds."""
    async with httpx.AsyncClient(base_url=simulator_url, timeout=10.0) as client:
        posted = await _pages(client, "/simulator/events", "events")
        orders = await _pages(client, "/simulator/orders", "orders")
        whole = [(await client.get(f"/simulator/orders/{o['client_order_ref']}")).json() for o in orders]
    enriched = [topics.ENRICHED[table] for table in ("orders", "products", "invoices")]
    records = await read(bootstrap_servers, [*EVENT_TOPICS, topics.QUARANTINE, *enriched, topics.UPDATES])
    dead = await read(bootstrap_servers, [topics.DEAD_LETTERS])
    updates: dict[tuple[str, str], Mapping[str, Any]] = {}
    for record in records[topics.UPDATES]:
        update = json.loads(unframed(record.value))
        updates[update["target"], record.key.decode()] = update
    return Evidence(
        snapshot=snapshot,
        expectation=expectation,
        posted=tuple(posted),
        held={f"{o['client_id']}:{o['application_id']}:{o['client_order_ref']}": o for o in whole},
        events=tuple(record for topic in EVENT_TOPICS for record in records[topic]),
        quarantine=tuple(records[topics.QUARANTINE]),
        enriched=_newest(records[topics.ORDERS_ENRICHED]),
        updates=updates,
        dead_letters=tuple(dead[topics.DEAD_LETTERS]),
        ledger=await asyncio.to_thread(_balance, bootstrap_servers, groups),
        products=_newest(records[topics.ENRICHED["products"]]),
        invoices=_newest(records[topics.ENRICHED["invoices"]]),
    )


def _newest(records: Iterable[Any]) -> dict[str, Mapping[str, Any]]:
    return {record.key.decode(): json.loads(unframed(record.value)) for record in records}


def _balance(bootstrap_servers: str, groups: Groups) -> Balance:
    kafka = KafkaSettings.model_validate({SERVERS: bootstrap_servers})
    with audit(kafka, groups, Request()) as report:
        found = islice(chain(report.problems(), report.waiting()), 1000)
        differences = tuple(f"{each.about} {each.id} at {each.source} {each.problem}" for each in found)
        return Balance(report.events.total(), report.updates.total(), differences)


def judge(evidence: Evidence) -> list[Check]:
    """Every statement that a right run makes true."""
    expected, state = evidence.expectation, evidence.snapshot.simulator
    return [
        Check(
            f"Norce was rid of all {len(evidence.posted)} events, none given up",
            tuple(f"event {e['number']} is {e['fate']}" for e in evidence.posted if e["fate"] != "accepted"),
        ),
        Check(
            f"{len(evidence.events)} records on the event topics and {len(evidence.quarantine)} in quarantine hold "
            "what was posted, byte for byte, and nothing else",
            tuple(_on_topics(evidence)),
        ),
        Check(
            f"all {len(expected.orders)} orders are joined: status, payments, paid amounts, numbers and failures",
            tuple(_orders(expected.orders, evidence.enriched)),
        ),
        Check(
            f"Connect holds the newest Infos of all {_count(evidence, 'connect')} orders that have any",
            tuple(_connect(evidence)),
        ),
        Check(
            f"Checkout holds the newest attributes of all {_count(evidence, 'checkout')} orders it knows",
            tuple(_checkout(evidence)),
        ),
        Check(
            "Norce saw no call that breaks its contract or the order of an order",
            tuple(f"{name}: {count}" for name, count in state.get("violations", {}).items() if count),
        ),
        *([_look_ups(evidence)] if evidence.snapshot.looks_up else []),
        Check("nothing is in the dead letters", tuple(_dead(evidence.dead_letters))),
        Check(
            f"the ledger balances: {evidence.ledger.events} events, {evidence.ledger.updates} updates, nothing pending",
            evidence.ledger.differences,
        ),
    ]


def _on_topics(evidence: Evidence) -> Iterable[str]:
    for flawed, records in ((False, evidence.events), (True, evidence.quarantine)):
        taken: Counter[str] = Counter()
        for event in evidence.posted:
            if (event["flaw"] is not None) is flawed:
                taken[event["sha256"]] += event["taken"]
        found = Counter(sha256(record.value).hexdigest() for record in records)
        yield from (f"body {digest[:12]} was taken and is missing" for digest in sorted(taken - found))
        yield from (f"body {digest[:12]} was never posted" for digest in sorted(set(found) - set(taken)))


def _orders(expected: Mapping[str, ExpectedOrder], found: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    yield from (f"order {key} is missing" for key in sorted(set(expected) - set(found)))
    yield from (f"order {key} does not exist" for key in sorted(set(found) - set(expected)))
    for key in sorted(set(expected) & set(found)):
        for field, wanted in _meant(expected[key]).items():
            seen = _seen(found[key])[field]
            if seen != wanted:
                yield f"order {key}: {field} is {seen}, not {wanted}"


def _meant(order: ExpectedOrder) -> dict[str, Any]:
    return {
        "status": order.status,
        "paid": dict(order.paid),
        "payments": order.payments,
        # Only a status event beyond the first or a payment names a number.
        "order_no": order.order_no if order.status != "received" or order.payments else None,
        "subscription failures": order.subscription_failures,
    }


def _seen(order: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": order["status"],
        "paid": {currency: Decimal(amount) for currency, amount in order["paid"].items()},
        "payments": len(order["payments"]),
        "order_no": order["order_no"],
        "subscription failures": sum(failure["occurrences"] for failure in order["subscription_failures"]),
    }


def _look_ups(evidence: Evidence) -> Check:
    return Check(
        f"{_priced(evidence)} orders carry totals and lines, {len(evidence.products)} products their names and "
        f"{len(evidence.invoices)} invoices their orders, as Norce holds them",
        tuple(_looked_up(evidence)),
    )


def _priced(evidence: Evidence) -> str:
    with_totals = sum(order["totals"] is not None for order in evidence.enriched.values())
    return f"all {with_totals}" if with_totals == len(evidence.expectation.orders) else str(with_totals)


def _looked_up(evidence: Evidence) -> Iterable[str]:
    for key, expected in sorted(evidence.expectation.orders.items()):
        order = evidence.enriched.get(key)
        if order is None or order["totals"] is None:
            yield f"order {key}: no totals"
            continue
        totals, wanted = order["totals"], (expected.currency, expected.total)
        if (totals["currency"], Decimal(totals["including_vat"])) != wanted:
            yield f"order {key}: total is {totals['including_vat']} {totals['currency']}, not {wanted[1]} {wanted[0]}"
        lines = [(line["part_no"], Decimal(line["line_total"])) for line in order["lines"]]
        held = [(line["part_no"], Decimal(line["amount"])) for line in evidence.held[key]["lines"]]
        if lines != held:
            yield f"order {key}: lines are {lines}, not {held}"
    for key, product in sorted(evidence.products.items()):
        name = product_name(product["part_no"])
        if product["name"] != name:
            yield f"product {key}: name is {product['name']}, not {name}"
    order_of = {order.invoice: key for key, order in evidence.expectation.orders.items()}
    for key, invoice in sorted(evidence.invoices.items()):
        if invoice["order_key"] != order_of.get(key):
            yield f"invoice {key}: order is {invoice['order_key']}, not {order_of.get(key)}"


def _count(evidence: Evidence, target: str) -> int:
    known = [key for found, key in evidence.updates if found == target]
    if target == "connect":
        return len(known)
    return sum(bool(_bought(evidence.held[key])) for key in known if key in evidence.held)


def _bought(order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The Checkout orders of a basket that a purchase came of; others were abandoned and are not told anything."""
    found: list[Mapping[str, Any]] = order.get("checkout_orders", [])
    return [each for each in found if each["state"]["currentStatus"] in {"accepted", "completed"}]


def _connect(evidence: Evidence) -> Iterable[str]:
    for (target, key), update in sorted(evidence.updates.items()):
        if target == "connect":
            wanted = {info["code"]: info["value"] for info in update["content"]["infos"]}
            held = evidence.held.get(key, {}).get("infos")
            if held != wanted:
                yield f"order {key}: Infos are {held}, not {wanted}"


def _checkout(evidence: Evidence) -> Iterable[str]:
    for (target, key), update in sorted(evidence.updates.items()):
        if target == "checkout":
            for order in _bought(evidence.held.get(key, {})):
                held = (order.get("attributes") or {}).get("norcePipeline")
                if held != update["content"]["attributes"]:
                    yield f"order {key}: attributes are {held}, not {update['content']['attributes']}"


def _dead(records: Iterable[Any]) -> Iterable[str]:
    for record in records:
        letter = json.loads(record.value)
        yield f"{record.key.decode()}: {letter['stage']}: {letter['reason']}"


async def read(bootstrap_servers: str, names: Iterable[str]) -> dict[str, list[Any]]:
    """Every record of the topics as they are now, in offset order per partition."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        counts = await topics.partition_counts(KafkaSettings.model_validate({SERVERS: bootstrap_servers}))
        partitions = [TopicPartition(name, number) for name in found for number in range(counts.get(name, 0))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        left = {tp for tp in partitions if ends[tp]}
        consumer.pause(*(set(partitions) - left))
        while left:
            for tp, records in (await consumer.getmany(*left, timeout_ms=200)).items():
                found[tp.topic].extend(records)
            for tp in tuple(left):
                if await consumer.position(tp) >= ends[tp]:
                    left.discard(tp)
    finally:
        await consumer.stop()
    return found


async def _pages(client: httpx.AsyncClient, path: str, name: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while True:
        page = (await client.get(path, params={"offset": len(found), "limit": 1000})).raise_for_status().json()
        found += page[name]
        if not page[name] or len(found) >= page["total"]:
            return found
