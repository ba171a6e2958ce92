"""From the records of one partition to the step that follows from them. Which event means what is the domain's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import metrics, topics
from pipeline.dead_letters import JSON_HEADERS, dead_letter
from pipeline.domain import (
    Arrival,
    InvoiceKey,
    Key,
    MalformedKey,
    OrderKey,
    Outcome,
    PushPolicies,
    SubscriptionKey,
    UnusableArrival,
    decode,
    encode,
    encode_update,
    fold,
    key_of,
    order_step,
)
from pipeline.engine import Outgoing, SliceTable, Step
from pipeline.events.envelope import UnreadableEnvelope, read_envelope


@dataclass(frozen=True, slots=True)
class _Read:
    """A record and the arrival it says."""

    record: Any
    arrival: Arrival


class Join:
    """Folds events into the tables of orders, subscriptions and invoices."""

    def __init__(self, tables: Mapping[type[Key], SliceTable], policies: PushPolicies) -> None:
        self._tables = tables
        self._policies = policies

    def step(self, partition: int, records: Iterable[Any]) -> Step:
        """What follows from the records of one partition.

        Each key is read once, folded once and written once, however many of its events there are. A record that cannot
        be folded becomes a dead letter and leaves its key as it was.
        """
        step = Step()
        by_kind: dict[type[Key], dict[Key, list[_Read]]] = {OrderKey: {}, SubscriptionKey: {}, InvoiceKey: {}}
        for record in records:
            found = self._read(step, record)
            if found is not None:
                key, read = found
                by_kind[type(key)].setdefault(key, []).append(read)
        for kind, keys in by_kind.items():
            if keys:
                self._fold_kind(step, partition, self._tables[kind], keys)
        for topic, sent in step.outputs.items():
            metrics.EMITTED.labels(topic).inc(len(sent))
        return step

    def _read(self, step: Step, record: Any) -> tuple[Key, _Read] | None:
        event_type = "unknown"
        try:
            envelope = read_envelope(record.headers)
            event_type = envelope.event_type
            key = key_of(event_type, (record.key or b"").decode())
        except (UnreadableEnvelope, MalformedKey, UnicodeDecodeError) as error:
            _die(step, record, event_type, type(error).__name__, str(error))
            return None
        if key is None:
            metrics.EVENTS.labels(event_type, "ignored").inc()
            return None
        return key, _Read(record, Arrival(event_type, record.value, envelope.event_id, envelope.received_at))

    def _fold_kind(self, step: Step, partition: int, table: SliceTable, keys: Mapping[Key, Sequence[_Read]]) -> None:
        names = {key: key.text.encode() for key in keys}
        stored = table.read(partition, list(names.values()))
        for key, reads in keys.items():
            name = names[key]
            after = self._fold(step, key, name, stored.get(name), reads)
            if after is not None:
                step.change(table, name, after)

    def _fold(self, step: Step, key: Key, name: bytes, stored: bytes | None, reads: Sequence[_Read]) -> bytes | None:
        """The state to store, ``None`` if it is what is stored already."""
        try:
            return self._advance(step, key, name, stored, reads)
        except UnusableArrival:
            pass
        after = None
        for read in reads:
            try:
                after = self._advance(step, key, name, after or stored, [read]) or after
            except UnusableArrival as error:
                _die(step, read.record, read.arrival.event_type, type(error).__name__, error.problem)
        return after

    def _advance(self, step: Step, key: Key, name: bytes, stored: bytes | None, reads: Sequence[_Read]) -> bytes | None:
        arrivals = [read.arrival for read in reads]
        if not isinstance(key, OrderKey):
            before = None if stored is None else decode(stored)
            folded = fold(key, before, arrivals)
            _count(arrivals, folded.outcomes)
            return None if folded.state is before else encode(folded.state)
        found = order_step(key, stored, arrivals, self._policies)
        _count(arrivals, found.outcomes)
        if found.record is not None:
            step.send(topics.ORDERS_ENRICHED, Outgoing(name, found.record, JSON_HEADERS))
        for update in found.updates:
            step.send(topics.UPDATES, Outgoing(name, encode_update(update), JSON_HEADERS))
        return found.stored


def _count(arrivals: Sequence[Arrival], outcomes: Sequence[Outcome]) -> None:
    for arrival, outcome in zip(arrivals, outcomes, strict=True):
        metrics.EVENTS.labels(arrival.event_type, outcome).inc()


def _die(step: Step, record: Any, event_type: str, error: str, reason: str) -> None:
    step.send(topics.DEAD_LETTERS, dead_letter(record, reason, error=error, stage="join"))
    metrics.EVENTS.labels(event_type, "dead").inc()
