"""Audits made-up orders without a broker and prints what that took: python -m tests.audit.scale ORDERS FOLDER

Of each order there are four events (one a repeat), the worker's state and enriched record, and an update to Connect.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import topics
from pipeline.audit.course import Request, compare
from pipeline.audit.database import database
from pipeline.audit.evidence import Evidence
from pipeline.audit.reading import Place, Span
from pipeline.audit.snapshot import Groups, Period, Snapshot
from pipeline.domain import Arrival, ConnectContent, ConnectUpdate, Info, OrderKey, advance, encode_update
from pipeline.ledger import LedgerEntry
from pipeline.progress import Silent
from pipeline.sinks.memory import Sent

GROUPS = Groups("worker", "connect", "checkout")
EVENTS, UPDATES = Place("norce.events.order", 0), Place(topics.UPDATES, 0)
LIFE = ("OrderReceivedEvent", "OrderConfirmedEvent", "OrderConfirmedEvent", "OrderDeliveredEvent")
OUTCOMES = ("applied", "applied", "duplicate", "applied")
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z in milliseconds"""
ENTRY = 1000
"""Offsets of one record of the ledger."""


class Made(NamedTuple):
    """A record, as the Kafka client hands it out."""

    place: Place
    at: int
    name: str
    content: bytes
    more: tuple[tuple[str, bytes], ...] = ()

    def topic(self) -> str:
        return self.place.topic

    def partition(self) -> int:
        return self.place.partition

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, START + self.at

    def key(self) -> bytes:
        return self.name.encode()

    def value(self) -> bytes:
        return self.content

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self.more)


def arrival(number: int, step: int) -> Arrival:
    body = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": str(number), "Source": "WEB"}
    numbered = {**body, "OrderId": number, "OrderNo": f"SO{number}"}
    offset = 4 * number + step
    event_id = f"01a2036e-0000-7000-8000-{offset:012}"
    return Arrival(LIFE[step], json.dumps(numbered).encode(), event_id, (START + offset) * 1000)


def event(number: int, step: int) -> Made:
    made = arrival(number, step)
    received = datetime.fromtimestamp(made.received_at / 1_000_000, UTC).isoformat(timespec="microseconds")
    headers = (
        ("ce_id", made.event_id.encode()),
        ("ce_type", f"io.norce.{made.event_type}".encode()),
        ("ce_time", received.replace("+00:00", "Z").encode()),
    )
    return Made(EVENTS, 4 * number + step, f"1:2:{number}", bytes(made.body), headers)  # type: ignore[arg-type]  # bytes


def kept(orders: int) -> Iterator[tuple[Made, Made]]:
    """The newest state and the newest enriched record of each order."""
    changelog, shown = Place(topics.changelog("worker", "orders"), 0), Place(topics.ORDERS_ENRICHED, 0)
    for number in range(orders):
        done = advance(OrderKey(1, 2, str(number)), None, [arrival(number, step) for step in range(4)])
        name = f"1:2:{number}"
        yield Made(changelog, number, name, done.stored or b""), Made(shown, number, name, done.record or b"")


def update(number: int) -> ConnectUpdate:
    content = ConnectContent(infos=(Info(code="PaymentState", value="paid"),), order_status=None)
    return ConnectUpdate(
        id=f"update-{number}",
        client_id=1,
        application_id=2,
        client_order_ref=str(number),
        order_no=None,
        version=1,
        content=content,
    )


def said(writer: str, place: Place, count: int, outcomes: tuple[str, ...]) -> Iterator[Made]:
    for first in range(0, count, ENTRY):
        ends: dict[str, list[list[int]]] = {outcome: [] for outcome in outcomes}
        for offset in range(first, min(first + ENTRY, count)):
            ends[outcomes[offset % len(outcomes)]].append([offset, offset])
        entry = LedgerEntry(writer=writer, topic=place.topic, partition=0, outcomes=ends)
        yield Made(Place(topics.LEDGER, 0), first, place.topic, entry.encode())


def main(orders: int, folder: Path) -> dict[str, Any]:
    """Audit that many orders."""
    empty: tuple[Span, ...] = ()
    snapshot = Snapshot(
        worker={EVENTS: 4 * orders},
        sinks={"connect": {UPDATES: orders}, "checkout": {UPDATES: orders}},
        ledger=empty,
        letters=empty,
        states=empty,
        sent={},
        enriched=empty,
        updates=[Span(UPDATES, 0, orders)],
        quarantine=empty,
        retries=empty,
        sources=[Span(EVENTS, 0, 4 * orders)],
        moving=empty,
        begun={},
    )
    started = time.process_time()
    folder.mkdir(parents=True, exist_ok=True)
    with database(folder) as rows:
        evidence = Evidence(rows, snapshot, GROUPS, Period())
        evidence.ledger(said("worker", EVENTS, 4 * orders, OUTCOMES))
        evidence.ledger(said("connect", UPDATES, orders, ("delivered",)))
        evidence.states(state for state, _ in kept(orders))
        evidence.enriched(record for _, record in kept(orders))
        remembered = Place(topics.changelog("connect", "sent"), 0)
        evidence.sent("connect", (Made(remembered, n, f"1:2:{n}", Sent.of(update(n)).encode()) for n in range(orders)))
        evidence.updates(Made(UPDATES, n, f"1:2:{n}", encode_update(update(n))) for n in range(orders))
        evidence.sources(event(number, step) for number in range(orders) for step in range(4))
        evidence.finish()
        report = compare(rows, Request(), Silent(), START)
        return {
            "events": report.events.total(),
            "duplicates": report.events.total("duplicate"),
            "delivered": report.updates.total("delivered"),
            "problems": [problem.describe() for _, problem in zip(range(5), report.problems(), strict=False)],
            "pending": report.pending,
            "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "seconds": time.process_time() - started,
        }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]))))
