"""From the records of one partition to the step that follows from them. Which event means what is the domain's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import metrics, topics
from pipeline.agents.alerts import AlertBook
from pipeline.dead_letters import JSON_HEADERS, dead_letter
from pipeline.domain import (
    KINDS,
    Advance,
    AlertPolicy,
    Arrival,
    Key,
    MalformedKey,
    OrderView,
    PushPolicies,
    Recorded,
    UnusableArrival,
    advance,
    copies,
    decode,
    derive,
    encode_update,
    fold,
    key_of,
    review_change,
    review_due,
)
from pipeline.engine import Outgoing, SliceTable, Step
from pipeline.events import EVENT_TYPES, models
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.ledger import EventOutcome, LedgerStep

COPIED = models.SubscriptionFailedEvent.__name__


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class _Read:
    """A record and the arrival it says."""

    record: Any
    arrival: Arrival


class Join:
    """Folds events into the tables, one for each kind of thing, and keeps the alerts that follow.

    ``tables`` are named as in the domain's table of kinds, and one more for alerts. ``clock`` gives microseconds since
    1970 UTC. ``writer`` is the consumer group, which the ledger names.
    """

    def __init__(
        self,
        tables: Mapping[str, SliceTable],
        policies: PushPolicies,
        alerts: AlertPolicy,
        clock: Callable[[], int] = wall_clock,
        *,
        writer: str,
    ) -> None:
        self._tables = {key: tables[kind.table] for key, kind in KINDS.items()}
        self._book = AlertBook(tables[topics.ALERTS_TABLE])
        self._policies = policies
        self._alerts = alerts
        self._clock = clock
        self._writer = writer

    def step(self, partition: int, records: Iterable[Any]) -> Step:
        """What follows from the records of one partition.

        Each key is read once, folded once and written once, however many of its events there are. A record that cannot
        be folded becomes a dead letter and leaves its key as it was.
        """
        step = LedgerStep(writer=self._writer, counter=metrics.EVENTS)
        by_kind: dict[type[Key], dict[Key, list[_Read]]] = {}
        for record in records:
            found = self._read(step, record)
            if found is not None:
                key, read = found
                by_kind.setdefault(type(key), {}).setdefault(key, []).append(read)
        for kind, keys in by_kind.items():
            self._fold_kind(step, partition, kind, keys)
        step.seal()
        return self._finished(step)

    def sweep(self, partition: int) -> Step:
        """What follows from the time: alerts that open or close though no event came.

        Looks only at what the index of due times names, and at no more than ``limits`` allows in one go.
        """
        step, now = Step(), self._clock()
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
                    self._book.write(step, key, recorded[key], review)
                if state is None or recorded[key].due != due[key]:
                    self._book.strike(step, key, due[key])
        return self._finished(step)

    def _read(self, step: LedgerStep, record: Any) -> tuple[Key, _Read] | None:
        event_type = "unknown"
        try:
            envelope = read_envelope(record.headers)
            event_type = envelope.event_type
            key = key_of(event_type, (record.key or b"").decode())
        except (UnreadableEnvelope, MalformedKey, UnicodeDecodeError) as error:
            _die(step, record, event_type, type(error).__name__, str(error))
            return None
        if key is None:
            step.ended(record, event_type, EventOutcome.IGNORED)
            return None
        return key, _Read(record, Arrival(event_type, record.value, envelope.event_id, envelope.received_at))

    def _fold_kind(
        self, step: LedgerStep, partition: int, kind: type[Key], keys: Mapping[Key, Sequence[_Read]]
    ) -> None:
        table = self._tables[kind]
        stored = table.read(partition, [key.text.encode() for key in keys])
        recorded = self._book.recorded(partition, keys)
        for key, reads in keys.items():
            name = key.text.encode()
            before = stored.get(name)
            found, good = self._fold(step, key, before, reads)
            if found.stored is not None:
                step.change(table, name, found.stored)
                self._publish(step, key, name, found)
                self._review(step, key, before, good, found, recorded[key])
            for read in good:
                _copy(step, key, read)

    def _fold(
        self, step: LedgerStep, key: Key, stored: bytes | None, reads: Sequence[_Read]
    ) -> tuple[Advance, Sequence[_Read]]:
        """What the events come to, and those of them that can be folded."""
        try:
            found, good = advance(key, stored, [read.arrival for read in reads]), reads
        except UnusableArrival:
            good = self._without_unusable(step, key, stored, reads)
            found = advance(key, stored, [read.arrival for read in good])
        for read, outcome in zip(good, found.outcomes, strict=True):
            step.ended(read.record, read.arrival.event_type, outcome)
        return found, good

    def _without_unusable(
        self, step: LedgerStep, key: Key, stored: bytes | None, reads: Sequence[_Read]
    ) -> list[_Read]:
        state, good = None if stored is None else decode(stored), []
        for read in reads:
            try:
                state = fold(key, state, [read.arrival]).state
            except UnusableArrival as error:
                _die(step, read.record, read.arrival.event_type, type(error).__name__, error.problem)
            else:
                good.append(read)
        return good

    def _publish(self, step: Step, key: Key, name: bytes, found: Advance) -> None:
        if found.record is None:
            return
        step.send(topics.ENRICHED[KINDS[type(key)].table], Outgoing(name, found.record, JSON_HEADERS))
        if isinstance(found.after, OrderView):
            before = found.before if isinstance(found.before, OrderView) else None
            for update in derive(before, found.after, self._policies):
                step.send(topics.UPDATES, Outgoing(name, encode_update(update), JSON_HEADERS))

    def _review(
        self, step: Step, key: Key, stored: bytes | None, reads: Sequence[_Read], found: Advance, recorded: Recorded
    ) -> None:
        if found.record is None or found.after is None:
            return
        arrivals = [read.arrival for read in reads]
        review = review_change(key, stored, arrivals, found.after, recorded, self._alerts, self._clock())
        self._book.write(step, key, recorded, review)

    def _finished(self, step: Step) -> Step:
        """The step with alerts before everything else that changes.

        After a crash between the two the event is news to the state again, and its alerts are reviewed again. The other
        way round it would be known already, and an alert that it opened would be forgotten and never close.
        """
        step.changes = dict(sorted(step.changes.items(), key=lambda change: change[0] is not self._book.table))
        for outputs in (step.outputs, step.elsewhere):
            for topic, sent in outputs.items():
                metrics.EMITTED.labels(topic).inc(len(sent))
        return step


def _copy(step: Step, key: Key, read: _Read) -> None:
    """Send a failed run on to the other keys that it is counted under, with the identity that it has."""
    if read.arrival.event_type != COPIED or read.record.topic == topics.SUBSCRIPTION_FAILURES:
        return
    event = EVENT_TYPES[read.arrival.event_type].model.model_validate_json(read.record.value)
    for other, body in copies(event, key):
        name = other.text.encode()
        headers = [(header, value) for header, value in read.record.headers if header != "ce_partitionkey"]
        step.send_elsewhere(topics.SUBSCRIPTION_FAILURES, Outgoing(name, body, [*headers, ("ce_partitionkey", name)]))


def _die(step: LedgerStep, record: Any, event_type: str, error: str, reason: str) -> None:
    step.send(topics.DEAD_LETTERS, dead_letter(record, reason, error=error, stage="join"))
    step.ended(record, event_type, EventOutcome.DEAD)
