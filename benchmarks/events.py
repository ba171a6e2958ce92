"""The events that all workloads use: orders, payments and failed subscriptions as the simulated Norce sends them."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from connectors.simulator import lifecycle
from connectors.simulator.draws import generator
from pipeline.engine import Outgoing
from pipeline.events import EVENT_TYPES, registry

TOPICS = (registry.ORDER_TOPIC, registry.PAYMENT_TOPIC, registry.SUBSCRIPTION_TOPIC)
SEED = 7

INTERLEAVED = 20_000
"""Orders that are open at a time, about. So many that hardly any batch holds two events of one order: what a contestant
saves by working on several events of an order at once is no part of the comparison."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as posted and as kept."""

    type: str
    topic: str
    key: str
    body: bytes

    def record(self, event_id: str, received_at: int) -> Outgoing:
        """The record that the connector makes of it; ``received_at`` in microseconds since 1970 UTC."""
        moment = datetime.fromtimestamp(received_at / 1e6, UTC).isoformat(timespec="microseconds")
        key = self.key.encode()
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_type", b"io.norce." + self.type.encode()),
            ("ce_source", b"/norce"),
            ("ce_time", moment.replace("+00:00", "Z").encode()),
            ("content-type", b"application/json"),
            ("ce_partitionkey", key),
        ]
        return Outgoing(key, self.body, headers)


def events(orders: int, *, first: int = 0, interleaved: int = INTERLEAVED) -> Iterator[Event]:
    """All events of that many orders, those of one order in their sequence and far from each other."""
    waiting: list[tuple[float, int, int, Event]] = []
    for number in range(first, first + orders):
        order = lifecycle.order(SEED, number)
        while waiting and waiting[0][0] < number:
            yield heapq.heappop(waiting)[3]
        pace = generator(SEED, "bench", number)
        at = float(number)
        for position, draft in enumerate(lifecycle.drafts(order)):
            spec = EVENT_TYPES[draft.event_type]
            if spec.topic not in TOPICS:
                continue
            body = orjson.dumps(draft.fields)
            key = spec.partition_key(spec.model.model_validate_json(body))
            heapq.heappush(waiting, (at, number, position, Event(draft.event_type, spec.topic, key, body)))
            at += pace.expovariate(1 / interleaved)
    while waiting:
        yield heapq.heappop(waiting)[3]


def backlog(orders: int, began: int) -> Iterator[tuple[Event, str, int, Outgoing]]:
    """Every event with its id, its receipt and its record: a microsecond after each other, from ``began`` on."""
    for number, event in enumerate(events(orders)):
        identity, received_at = str(uuid.UUID(int=number)), began + number
        yield event, identity, received_at, event.record(identity, received_at)
