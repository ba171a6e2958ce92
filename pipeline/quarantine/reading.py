"""Reading the quarantine, one partition after the other: what is held in memory does not grow with the bodies."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.quarantine.entries import Entry, Filter, Row
from pipeline.quarantine.retries import Outcome, Retry, decode_retry
from pipeline.reading import POLL_MS, consumer
from pipeline.settings import KafkaSettings
from pipeline.topics import QUARANTINE, QUARANTINE_RETRIES

Advance = Callable[[int], None]
"""Is told how many bodies more were looked at."""

FETCH_WAIT_MS = 10
"""Only what is there already is read, so a fetch at the end of a partition must not hold up the next partition's."""

_OUTCOMES = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of a partition of the quarantine, from ``start`` to before ``stop``."""

    partition: int
    start: int
    stop: int


class Outcomes:
    """What became of the bodies of a span: five bytes for each, however often it was retried.

    The id is held against the body's, as a checksum: a topic that was made anew begins at offset 0 again.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self._codes = bytearray(max(0, span.stop - span.start))
        self._ids = array("I", bytes(4 * len(self._codes)))

    def hear(self, retry: Retry) -> None:
        """The last word stands, save that what was retried stays so."""
        place = retry.offset - self._span.start
        if 0 <= place < len(self._codes):
            checksum = _checksum(retry.event_id)
            if self._outcome(place, checksum) is not Outcome.RETRIED:
                self._codes[place], self._ids[place] = _OUTCOMES.index(retry.outcome) + 1, checksum

    def of(self, entry: Entry) -> Outcome | None:
        """Of one body of the span."""
        return self._outcome(entry.offset - self._span.start, _checksum(entry.id))

    def _outcome(self, place: int, checksum: int) -> Outcome | None:
        code = self._codes[place]
        return _OUTCOMES[code - 1] if code and self._ids[place] == checksum else None


def _checksum(event_id: str) -> int:
    return zlib.crc32(event_id.encode())


class Quarantine:
    """The bodies up to the ends as they were when it was opened."""

    def __init__(self, client: AIOKafkaConsumer, partitions: int) -> None:
        self._client = client
        self._partitions = range(partitions)

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """Raises ``BrokerUnreachable``."""
        async with consumer(kafka, wait_ms=FETCH_WAIT_MS) as client:
            yield cls(client, kafka.partitions)

    async def spans(self, since: int | None = None) -> list[Span]:
        """All of it as of now, or what came at a time or later, in milliseconds since 1970."""
        tps = [TopicPartition(QUARANTINE, number) for number in self._partitions]
        starts, stops = await self._client.beginning_offsets(tps), await self._client.end_offsets(tps)
        if since is not None:
            found = await self._client.offsets_for_times(dict.fromkeys(tps, since))
            starts = {tp: stops[tp] if (place := found.get(tp)) is None else place.offset for tp in tps}
        return [Span(tp.partition, starts[tp], stops[tp]) for tp in tps if starts[tp] < stops[tp]]

    async def rows(self, spans: Sequence[Span], wanted: Filter, advance: Advance) -> AsyncIterator[Row]:
        """The bodies of spans that a filter takes, each partition's in the order in which they came."""
        for partition in dict.fromkeys(span.partition for span in spans):
            mine = [span for span in spans if span.partition == partition]
            outcomes = Outcomes(Span(partition, min(s.start for s in mine), max(s.stop for s in mine)))
            async for retry in self._retries(partition):
                outcomes.hear(retry)
            for span in mine:
                async for record in self._read(TopicPartition(QUARANTINE, partition), span.start, span.stop):
                    entry = Entry.of(record)
                    row = Row(entry, outcomes.of(entry))
                    advance(1)
                    if wanted.takes(row):
                        yield row

    async def find(self, names: Sequence[str], advance: Advance) -> tuple[list[Row], list[str]]:
        """The bodies with these ids, ``partition:offset`` or ``ce_id``, and the ids that are not there.

        A ``ce_id`` says nothing of the place, so all of the quarantine is read for one.
        """
        whole, every = await self.spans(), Filter(settled=True)
        places = {name: place for name in names if (place := _place(name)) is not None}
        exact = [Span(partition, offset, offset + 1) for partition, offset in places.values()]
        there = [one for one in exact if any(_holds(span, one) for span in whole)]
        rows = {row.entry.place: row async for row in self.rows(there, every, advance)}
        missing = [name for name, (partition, offset) in places.items() if f"{partition}:{offset}" not in rows]
        ids = set(names) - set(places)
        if ids:
            async for row in self.rows(whole, every, advance):
                if row.entry.id in ids:
                    rows[row.entry.place] = row
        return list(rows.values()), missing + sorted(ids - {row.entry.id for row in rows.values()})

    async def retries_of(self, entry: Entry) -> list[Retry]:
        """What was tried with one body, the first try first."""
        retries = self._retries(entry.partition)
        return [each async for each in retries if (each.offset, each.event_id) == (entry.offset, entry.id)]

    async def _retries(self, partition: int) -> AsyncIterator[Retry]:
        tp = TopicPartition(QUARANTINE_RETRIES, partition)
        start, stop = (await self._client.beginning_offsets([tp]))[tp], (await self._client.end_offsets([tp]))[tp]
        async for record in self._read(tp, start, stop):
            try:
                yield decode_retry(record.value)
            except msgspec.MsgspecError:
                continue  # the audit names it

    async def _read(self, tp: TopicPartition, start: int, stop: int) -> AsyncIterator[Any]:
        if start >= stop:
            return
        self._client.assign([tp])
        self._client.seek(tp, start)
        while await self._client.position(tp) < stop:
            for records in (await self._client.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    if record.offset < stop:
                        yield record


def _place(name: str) -> tuple[int, int] | None:
    partition, colon, offset = name.partition(":")
    return (int(partition), int(offset)) if colon and partition.isdecimal() and offset.isdecimal() else None


def _holds(span: Span, one: Span) -> bool:
    return span.partition == one.partition and span.start <= one.start < span.stop
