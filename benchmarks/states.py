"""Stored states of as many orders as wanted, without joining all their events."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator

from benchmarks.events import events
from pipeline.domain import Arrival, OrderKey, advance
from pipeline.engine import Outgoing

DIFFERENT = 5_000
"""States that are made by folding events; the others are copies, which neither the store nor the broker can know."""

FIRST = 50_000_000


def states(count: int) -> Iterator[Outgoing]:
    """Changelog records of that many orders, none of which the events of a backlog are about."""
    now = time.time_ns() // 1000
    arrivals: dict[str, list[Arrival]] = {}
    for number, event in enumerate(events(min(DIFFERENT, count), interleaved=10)):
        arrival = Arrival(event.type, event.body, str(uuid.UUID(int=number)), now + number)
        arrivals.setdefault(event.key, []).append(arrival)
    made = [advance(OrderKey.parse(key), None, found).stored for key, found in arrivals.items()]
    for number, state in zip(range(count), itertools.cycle(made), strict=False):
        # What the key says is not in the state, so one state fits many orders.
        yield Outgoing(f"103:1032:{FIRST + number}".encode(), state)
