"""The table of parked keys: an event that cannot be folded, and what has to wait behind it.

What crashes between two writes leaves, and why nothing is lost: within the table an event's entry is written before the
head that counts it, and is deleted after the head that no longer does. So a head never counts an event that is not
there; an entry that no head counts is written over or never read. The table is written after all others, see ``Join``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.agents.limits import Limits, TooManyWaiting, Window
from pipeline.agents.records import Read
from pipeline.dead_letters.parked import (
    HEAD,
    ParkedKey,
    UnreadableParking,
    Waiting,
    head_name,
    limit_name,
    waiting_name,
)
from pipeline.dead_letters.records import letter_id, trace_of
from pipeline.domain import KINDS, Key, UnusableArrival
from pipeline.engine import SliceTable, Step
from pipeline.ledger import EventOutcome

STAGE = "join"


@dataclass(frozen=True, slots=True)
class Looked:
    """What the table says about the keys and topics of a step; empty while all is well."""

    heads: Mapping[Key, ParkedKey]
    windows: Mapping[str, Window]


class Parking:
    """Reads and changes the table."""

    def __init__(self, table: SliceTable, limits: Limits) -> None:
        self.table = table
        self._limits = limits

    # -- looking -------------------------------------------------------------------------------------------------

    def look(self, partition: int, keys: Iterable[Key], topics: Iterable[str]) -> Looked:
        """Which of the keys are parked, and the failures among the newest events of the topics: one read."""
        names = {_head(key): key for key in keys}
        limits = {limit_name(topic): topic for topic in topics}
        found = self.table.read(partition, [*names, *limits])
        return Looked(
            {names[name]: ParkedKey.decode(value) for name, value in found.items() if name in names},
            {limits[name]: Window.decode(value) for name, value in found.items() if name in limits},
        )

    def head(self, partition: int, kind: str, key: str) -> ParkedKey | None:
        """A parked key, ``None`` if nothing waits."""
        name = head_name(kind, key)
        value = self.table.read(partition, [name]).get(name)
        return None if value is None else ParkedKey.decode(value)

    def parked(self, partition: int) -> Iterable[ParkedKey]:
        """Every parked key."""
        for name, value in self.table.items_of(partition):
            if not name.startswith(HEAD):
                return  # the heads sort before everything else
            yield ParkedKey.decode(value)

    def events(self, partition: int, head: ParkedKey, until: int) -> list[Waiting]:
        """The events from the poison one up to number ``until``, in their order.

        Raises:
            UnreadableParking
        """
        names = [waiting_name(head.kind, head.key, number) for number in range(head.first, until)]
        found = self.table.read(partition, names)
        if len(found) < len(names):
            raise UnreadableParking(f"{len(names) - len(found)} events of {head.kind} {head.key} are not there")
        return [Waiting.decode(found[name]) for name in names]

    # -- changing ------------------------------------------------------------------------------------------------

    def park(self, step: Step, key: Key, reads: Sequence[Read], good: int, error: Exception) -> ParkedKey:
        """Park a key of whose events the first ``good`` are folded: the next one is the poison, the others wait."""
        poison, kind = reads[good], KINDS[type(key)].name
        poison.end = EventOutcome.POISON
        for read in reads[good + 1 :]:
            read.end = EventOutcome.PARKED
        head = _blame(poison, error, kind, key.text, now_ms())
        head = msgspec.structs.replace(head, seen=_highest({}, reads[:good]))
        self._write(step, head, reads[good:], self._limits)
        return head

    def wait(self, step: Step, head: ParkedKey, reads: Sequence[Read]) -> None:
        """Let events of a parked key wait.

        Raises:
            TooManyWaiting
        """
        for read in reads:
            read.end = EventOutcome.PARKED
        self._write(step, head, [read for read in reads if _is_new(head, read.record)], self._limits)

    def advance(self, step: Step, head: ParkedKey, after: ParkedKey | None) -> None:
        """Take the events from ``head.first`` up to ``after.first`` away, or all of them, and the key's head."""
        step.change(self.table, head_name(head.kind, head.key), None if after is None else after.encode())
        for number in range(head.first, head.next if after is None else after.first):
            step.change(self.table, waiting_name(head.kind, head.key, number), None)

    def count(self, step: Step, partition: int, windows: Mapping[str, Window], reads: Iterable[Read]) -> None:
        """Count what could and what could not be joined, by topic. What waits is neither.

        Raises:
            TooManyDeadLetters
        """
        failed: dict[str, list[bool]] = {topic: [] for topic in windows}
        reads = [read for read in reads if read.end not in (EventOutcome.PARKED, EventOutcome.IGNORED)]
        for read in reads:
            if read.end in (EventOutcome.DEAD, EventOutcome.POISON):
                failed.setdefault(read.record.topic, [])
        if not failed:
            return
        for read in reads:
            if read.record.topic in failed:
                failed[read.record.topic].append(read.end in (EventOutcome.DEAD, EventOutcome.POISON))
        for topic, ends in failed.items():
            before = windows.get(topic)
            after = (before or Window()).after(ends, self._limits, topic, partition)
            if ends and after != before:
                step.change(self.table, limit_name(topic), None if after is None else after.encode())

    def _write(self, step: Step, head: ParkedKey, reads: Sequence[Read], limits: Limits) -> None:
        if not reads:
            return
        number = head.next
        for number, read in enumerate(reads, head.next):
            step.change(self.table, waiting_name(head.kind, head.key, number), waiting(read.record).encode())
        head = msgspec.structs.replace(head, next=number + 1, seen=_highest(head.seen, reads))
        if head.waiting > limits.waiting:
            raise TooManyWaiting(head.kind, head.key, limits.waiting)
        step.change(self.table, head_name(head.kind, head.key), head.encode())


def again(head: ParkedKey, poison: Read, error: Exception, first: int) -> ParkedKey:
    """A parked key after another try: behind the event that cannot be folded now, which may be the same."""
    blamed = _blame(poison, error, head.kind, head.key, head.since)
    tries = head.tries + 1 if blamed.letter == head.letter else 1
    return msgspec.structs.replace(blamed, tries=tries, first=first, next=head.next, seen=head.seen)


def waiting(record: Any) -> Waiting:
    """A record as it is kept."""
    return Waiting(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        [(name, bytes(value)) for name, value in record.headers],
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _blame(poison: Read, error: Exception, kind: str, key: str, since: int) -> ParkedKey:
    """A key parked behind an event. Only a reason that is sure to name no person is kept."""
    record = poison.record
    known = isinstance(error, UnusableArrival)
    return ParkedKey(
        letter=letter_id(record, STAGE),
        kind=kind,
        key=key,
        event_type=poison.event_type,
        event_id=poison.event_id,
        error=type(error).__name__,
        reason=error.problem if known else f"folding the event raised {type(error).__name__}",  # type: ignore[attr-defined]
        trace=trace_of(error),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        since=since,
    )


def _is_new(head: ParkedKey, record: Any) -> bool:
    return bool(record.offset > head.seen.get(record.topic, -1))


def _highest(seen: Mapping[str, int], reads: Iterable[Read]) -> dict[str, int]:
    highest = dict(seen)
    for read in reads:
        highest[read.record.topic] = max(read.record.offset, highest.get(read.record.topic, -1))
    return highest


def _head(key: Key) -> bytes:
    return head_name(KINDS[type(key)].name, key.text)
