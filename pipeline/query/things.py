"""Things as the workers' tables hold them: by key, by reference, page by page, and their alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from pipeline import topics
from pipeline.dead_letters.parked import HEAD, ParkedKey, head_name
from pipeline.domain import KINDS, Alert, Key, Kind, MalformedKey, State, decode, decode_recorded, enriched
from pipeline.domain.times import rfc3339
from pipeline.query.errors import NoSuchThing
from pipeline.query.tables import Hit
from pipeline.query.workers import Workers

KINDS_BY_TABLE: Mapping[str, Kind] = {kind.table: kind for kind in KINDS.values()}
"""What can be asked for, by its name in the API: that of its table."""
ALERTS_OF = b"s"
MAX_OPEN = 10_000
"""Open alerts that are read of each partition."""


class Thing(msgspec.Struct, frozen=True):
    """One thing. ``record`` is what its enriched topic has of it, ``state`` all that is known."""

    kind: Kind
    key: Key
    partition: int
    state: State
    alerts: tuple[Alert, ...]
    parked: ParkedKey | None

    @property
    def record(self) -> dict[str, Any] | None:
        return record_of(self.kind, self.key, self.state)


class Page(msgspec.Struct, frozen=True):
    """Some records, and where to go on: a partition and a key in it."""

    items: tuple[tuple[str, dict[str, Any]], ...]
    next: tuple[int, bytes] | None


class Match(msgspec.Struct, frozen=True):
    """A thing that was searched for."""

    kind: Kind
    key: str
    matched: str
    record: dict[str, Any]


class Things:
    """Reads things through the workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def get(self, kind: Kind, text: str) -> Thing:
        """The thing with a key.

        Raises:
            MalformedKey: the text is no key of that kind.
            NoSuchThing: no event told of it, and none waits.
            NoWorker, PartitionMoving, UnreadableState
        """
        key = kind.key.parse(text)
        partition = await self._workers.partition_of(key.text)
        subject = f"{kind.name}|{key.text}".encode()
        head = head_name(kind.name, key.text)
        states, alerts, parked = await asyncio.gather(
            self._workers.read(partition, kind.table, [key.text.encode()]),
            self._workers.read(partition, topics.ALERTS_TABLE, [ALERTS_OF + subject]),
            self._workers.read(partition, topics.PARKED_TABLE, [head]),
        )
        stored, waiting = states.get(key.text.encode()), parked.get(head)
        if stored is None and waiting is None:
            raise NoSuchThing(kind.name, key.text)
        return Thing(
            kind,
            key,
            partition,
            State() if stored is None else decode(stored),
            decode_recorded(alerts.get(ALERTS_OF + subject)).open,
            None if waiting is None else ParkedKey.decode(waiting),
        )

    async def page(self, kind: Kind, after: tuple[int, bytes] | None, limit: int) -> Page:
        """Records in the order of partitions and keys, from a place on.

        Raises:
            NoWorker, PartitionMoving, UnreadableState
        """
        partition, begin = after or (0, b"")
        items: list[tuple[str, dict[str, Any]]] = []
        while partition < await self._workers.partitions():
            rows = await self._workers.rows(partition, kind.table, begin=begin, limit=limit - len(items))
            for name, value in rows.rows:
                key = kind.key.parse(name.decode())
                record = record_of(kind, key, decode(value))
                if record is not None:
                    items.append((key.text, record))
            partition, begin = (partition, rows.more) if rows.more is not None else (partition + 1, b"")
            if len(items) == limit:
                break
        return Page(tuple(items), (partition, begin) if partition < await self._workers.partitions() else None)

    async def search(self, text: str) -> tuple[list[Match], bool]:
        """Things with a reference, the one whose key it is first, and whether all partitions were looked through.

        Raises:
            NoWorker
        """
        found, missing = await self._workers.search(text)
        matches = [match for hits in found for hit in hits.hits if (match := _match(hit)) is not None]
        return sorted(matches, key=_rank), not missing and not any(hits.cut for hits in found)

    async def open_alerts(self) -> list[Alert]:
        """All open alerts, the newest first. Raises ``NoWorker``, ``PartitionMoving``, ``CorruptState``."""
        rows = await self._workers.all_rows(topics.ALERTS_TABLE, ALERTS_OF, MAX_OPEN)
        alerts = [alert for _, value in rows for alert in decode_recorded(value).open]
        return sorted(alerts, key=lambda alert: (alert.opened_at, alert.id), reverse=True)

    async def parked(self) -> list[ParkedKey]:
        """All parked keys, the longest parked first. Raises like ``open_alerts``, and ``UnreadableParking``."""
        rows = await self._workers.all_rows(topics.PARKED_TABLE, HEAD, MAX_OPEN)
        return sorted((ParkedKey.decode(value) for _, value in rows), key=lambda head: head.since)


def record_of(kind: Kind, key: Key, state: State) -> dict[str, Any] | None:
    """What the enriched topic shows of a state; ``None`` before the first event."""
    if not state.facts:
        return None
    record: dict[str, Any] = orjson.loads(enriched(kind.view(key, state)))
    return record


def when(milliseconds: int) -> str:
    """Milliseconds since 1970 as all times are written."""
    return rfc3339(milliseconds * 1000)


def _match(hit: Hit) -> Match | None:
    kind = KINDS_BY_TABLE[hit.table]
    try:
        key = kind.key.parse(hit.key.decode())
    except (MalformedKey, UnicodeDecodeError):
        return None
    record = record_of(kind, key, decode(hit.value))
    return None if record is None else Match(kind, key.text, hit.matched, record)


def _rank(match: Match) -> tuple[bool, bool, str]:
    """Orders first, those whose key was named before those that say it somewhere."""
    return match.kind.table != "orders", match.matched not in ("key", "client_order_ref"), match.key
