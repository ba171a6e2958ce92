"""From the records of one partition to the step that follows from them. Which event means what is the domain's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from pipeline import metrics, topics
from pipeline.agents import traces
from pipeline.agents.alerts import AlertBook
from pipeline.agents.folding import Folded, Folding
from pipeline.agents.limits import Limits
from pipeline.agents.parking import STAGE, Parking
from pipeline.agents.records import Read, Work
from pipeline.dead_letters.parked import ParkedKey
from pipeline.dead_letters.records import dead_letter
from pipeline.domain import KINDS, AlertPolicy, Arrival, Key, MalformedKey, PushPolicies, key_of, review_due
from pipeline.engine import SliceTable, Step
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.ledger import EventOutcome, LedgerStep

log = structlog.get_logger(__name__)

MAX_EVENT_BYTES = 900_000
"""Bytes of an event above which it could not be parked, because one record of Kafka could not hold it."""


class OversizeEvent(Exception):
    """An event far larger than the connector takes; somebody else wrote it."""


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Join:
    """Folds events into the tables, one for each kind of thing, and keeps the alerts that follow.

    An event that cannot be folded parks its key: it and the later events of the key wait in order, while other keys
    flow. ``tables`` are named as in the domain's table of kinds, one more for alerts and one for what is parked.
    ``clock`` gives microseconds since 1970 UTC. ``writer`` is the consumer group, which the ledger names.
    """

    def __init__(
        self,
        tables: Mapping[str, SliceTable],
        policies: PushPolicies,
        alerts: AlertPolicy,
        clock: Callable[[], int] = wall_clock,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        writer: str,
    ) -> None:
        self._tables = {key: tables[kind.table] for key, kind in KINDS.items()}
        self._book = AlertBook(tables[topics.ALERTS_TABLE])
        self._folding = Folding(self._tables, self._book, policies, alerts, clock)
        self.parking = Parking(tables[topics.PARKED_TABLE], limits)
        self.policies = policies
        self._alerts = alerts
        self._clock = clock
        self._writer = writer

    def step(self, partition: int, records: Iterable[Any], known: Mapping[str, int] | None = None) -> Step:
        """What follows from the records of one partition.

        ``known`` has for each topic the offset before which another worker may have read.

        Each key is read once, folded once and written once, however many of its events there are. A record that names
        no key becomes a dead letter; one that cannot be folded becomes one too, and parks its key.

        Raises:
            TooManyDeadLetters, TooManyWaiting: nothing of the step is to be written; the worker stops.
            UnreadableState, UnreadableParking: another version of the program wrote the tables.
        """
        work, known = self.work(partition), known or {}
        by_kind: dict[type[Key], dict[Key, list[Read]]] = {}
        for record in records:
            read = Read(record, again=record.offset < known.get(record.topic, 0))
            work.reads.append(read)
            key = self.understand(work, read)
            if key is not None:
                by_kind.setdefault(type(key), {}).setdefault(key, []).append(read)
        looked = self.parking.look(
            partition,
            (key for keys in by_kind.values() for key in keys),
            dict.fromkeys(read.record.topic for read in work.reads),
        )
        for kind, keys in by_kind.items():
            self._fold_kind(work, kind, {key: reads for key, reads in keys.items() if key not in looked.heads})
            for key, reads in keys.items():
                if key in looked.heads:
                    self.parking.wait(work.step, looked.heads[key], reads)
        self.parking.count(work.step, partition, looked.windows, work.reads)
        return self.finished(work)

    def sweep(self, partition: int) -> Step:
        """What follows from the time: alerts that open or close though no event came.

        Looks only at what the index of due times names, and at no more than ``limits`` allows in one go.
        """
        work, now = self.work(partition), self._clock()
        by_kind: dict[type[Key], list[Key]] = {}
        due = self._book.due(partition, now)
        for key in due:
            by_kind.setdefault(type(key), []).append(key)
        for kind, keys in by_kind.items():
            stored = self._tables[kind].read(partition, [key.text.encode() for key in keys])
            recorded = self._book.recorded(partition, keys)
            for key in keys:
                state = stored.get(key.text.encode())
                if state is not None:
                    review = review_due(key, state, recorded[key], self._alerts, now)
                    self._book.write(work.step, key, recorded[key], review)
                if state is None or recorded[key].due != due[key]:
                    self._book.strike(work.step, key, due[key])
        return self.finished(work)

    def work(self, partition: int) -> Work:
        """A step to be made."""
        return Work(partition, LedgerStep(writer=self._writer, counter=metrics.EVENTS))

    # -- what releasing shares -----------------------------------------------------------------------------------

    def understand(self, work: Work, read: Read) -> Key | None:
        """The key that a record is to be folded under; ``None`` if it has ended already, ignored or dead."""
        record = read.record
        try:
            envelope = read_envelope(record.headers)
            read.event_type = envelope.event_type
            key = key_of(envelope.event_type, (record.key or b"").decode())
            if len(record.value or b"") > MAX_EVENT_BYTES:
                raise OversizeEvent(f"the event has {len(record.value)} bytes, more than {MAX_EVENT_BYTES}")
        except (UnreadableEnvelope, MalformedKey, UnicodeDecodeError, OversizeEvent) as error:
            read.end = EventOutcome.DEAD
            letter = dead_letter(
                record, str(error), error=type(error).__name__, stage=STAGE, event_type=read.event_type
            )
            work.step.send(topics.DEAD_LETTERS, letter)
            return None
        if key is None:
            read.end = EventOutcome.IGNORED
            return None
        read.arrival = Arrival(envelope.event_type, record.value, envelope.event_id, envelope.received_at)
        return key

    def state_of(self, partition: int, key: Key) -> bytes | None:
        """The stored state of one key."""
        name = key.text.encode()
        return self._tables[type(key)].read(partition, [name]).get(name)

    def fold(self, work: Work, key: Key, reads: Sequence[Read]) -> Folded:
        """Fold parked events of one key into the step, up to the first that cannot be folded."""
        recorded = self._book.recorded(work.partition, [key])[key]
        return _added(work, self._folding.fold(key, self.state_of(work.partition, key), recorded, reads), reads)

    def fold_what_can_be(self, work: Work, key: Key, reads: Sequence[Read]) -> tuple[list[Read], list[Read]]:
        """Fold events into the step without those that cannot be folded; returns the former and the latter.

        Nothing is parked: these are old events, behind which no later one has to wait.
        """
        recorded, state = self._book.recorded(work.partition, [key])[key], self.state_of(work.partition, key)
        good, failed = [read for read in reads if read.arrival], [read for read in reads if not read.arrival]
        while (folded := self._folding.fold(key, state, recorded, good)).error is not None:
            poison = good.pop(len(folded.outcomes))
            failed.append(poison)
            log.error("event cannot be replayed", event_id=poison.event_id, error=type(folded.error).__name__)
        _added(work, folded, good)
        return good, failed

    def newest(self, work: Work, key: Key) -> bytes | None:
        """The state of a key once the step is written."""
        changes = work.step.changes.get(self._tables[type(key)], {})
        return changes.get(key.text.encode()) or self.state_of(work.partition, key)

    def mourn(self, work: Work, poison: Read, head: ParkedKey) -> None:
        """The dead letter of the event that a key is parked behind."""
        details = {"kind": head.kind, "event_type": head.event_type, "error": head.error, "trace": head.trace}
        work.step.send(topics.DEAD_LETTERS, dead_letter(poison.record, head.reason, stage=STAGE, **details))
        where = {"topic": head.topic, "partition": head.partition, "offset": head.offset, "reason": head.reason}
        what = {"event_id": head.event_id, "kind": head.kind, "key": head.key}
        with traces.within(work, poison):
            log.error(
                "event cannot be folded, its key is parked", letter=head.letter, error=head.error, **what, **where
            )

    def finished(self, work: Work) -> Step:
        """The step in the order in which it has to be written, with how each record ended for the ledger.

        Alerts come before everything else that changes. After a crash between the two the event is news to the state
        again, and its alerts are reviewed again. The other way round it would be known already, and an alert that it
        opened would be forgotten and never close. What is parked comes last. After a crash before it an event that was
        released waits still, and is folded again, which changes nothing; the other way round it would be lost. An
        event that is to be parked is read again, like all others of its slice.
        """
        step = work.step
        step.changes = dict(sorted(step.changes.items(), key=lambda change: self._place(change[0])))
        for read in work.reads:
            step.ended(read.record, read.event_type, read.end)
        step.seal()
        traces.trace(work)
        for outputs in (step.outputs, step.elsewhere):
            for topic, sent in outputs.items():
                metrics.EMITTED.labels(topic).inc(len(sent))
        return step

    def _place(self, table: SliceTable) -> int:
        if table is self._book.table:
            return 0
        return 2 if table is self.parking.table else 1

    def _fold_kind(self, work: Work, kind: type[Key], keys: Mapping[Key, Sequence[Read]]) -> None:
        stored = self._tables[kind].read(work.partition, [key.text.encode() for key in keys])
        recorded = self._book.recorded(work.partition, keys)
        for key, reads in keys.items():
            folded = self._folding.fold(key, stored.get(key.text.encode()), recorded[key], reads)
            _added(work, folded, reads)
            if folded.error is not None:
                head = self.parking.park(work.step, key, reads, len(folded.outcomes), folded.error)
                self.mourn(work, reads[len(folded.outcomes)], head)


def _added(work: Work, folded: Folded, reads: Sequence[Read]) -> Folded:
    """What was folded, as a part of the step."""
    for read, outcome in zip(reads, folded.outcomes, strict=False):
        read.end = outcome
    work.step.add(folded.step)
    return folded
