"""From records to rows of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import msgspec

from pipeline import topics
from pipeline.audit.database import Database
from pipeline.audit.reading import Place, Span
from pipeline.audit.snapshot import TARGETS, Groups, Period, Snapshot
from pipeline.domain import KINDS, MalformedKey, UnreadableUpdate, decode_update, key_of
from pipeline.domain.facts import FACT_TYPES, REGISTERS
from pipeline.domain.keys import SUBSCRIPTION_EVENT
from pipeline.events import EVENT_TYPES
from pipeline.events.envelope import RETRIED_FROM_HEADER, UnreadableEnvelope, read_envelope
from pipeline.framing import unframed
from pipeline.ledger import LedgerEntry
from pipeline.quarantine.retries import decode_retry
from pipeline.sinks.memory import Sent, digest

ROWS = 5000
"""Rows written as one transaction."""
UNKNOWN = "unknown"
EVENT, COPY, QUARANTINED = "event", "copy", "quarantined"
_KEPT = {name for name, fact in FACT_TYPES.items() if fact in REGISTERS} | {SUBSCRIPTION_EVENT}
"""Event types whose bodies are needed again: what is forgotten, and what is copied, is read off them."""

Row = tuple[Any, ...]
T = TypeVar("T")


class _LetterSource(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Letter(msgspec.Struct):
    stage: str
    source: _LetterSource


_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ENTRY = msgspec.json.Decoder(LedgerEntry)
_LETTER = msgspec.json.Decoder(_Letter)


class Evidence:
    """Puts records into the database. ``period`` is what is counted; what is read around it is only compared with."""

    def __init__(self, database: Database, snapshot: Snapshot, groups: Groups, period: Period) -> None:
        self._database = database
        self._snapshot = snapshot
        self._period = period
        self._numbers: dict[Place, int] = {}
        self._writers = {groups.worker: "worker", groups.connect: "connect", groups.checkout: "checkout"}
        self._kinds = {topics.changelog(groups.worker, kind.table): kind.name for kind in KINDS.values()}
        self.published: dict[Place, tuple[int, int]] = {}
        """The lowest and the highest offset of events of this time that were in quarantine first."""
        self._enriched = {topics.ENRICHED[kind.table]: kind.name for kind in KINDS.values()}

    def ledger(self, records: Iterable[Any]) -> None:
        """What the worker and the sinks said; the last word about an offset stands."""
        audited = {span.place: span for span in (*self._snapshot.sources, *self._snapshot.updates)}
        self._put(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET outcome = excluded.outcome",
            (row for record in records for row in self._said(record, audited)),
        )

    def _said(self, record: Any, audited: Mapping[Place, Span]) -> Iterator[Row]:
        try:
            entry = _ENTRY.decode(record.value() or b"")
        except msgspec.MsgspecError as error:
            self._unreadable(record, "ledger", str(error))
            return
        span, writer = audited.get(Place(entry.topic, entry.partition)), self._writers.get(entry.writer)
        if span is None or writer is None:
            return
        number = self._number(span.place)
        for outcome, ranges in entry.outcomes.items():
            for first, last in ranges:
                for offset in range(max(first, span.start), min(last + 1, span.stop)):
                    yield number, writer, offset, outcome

    def retries(self, records: Iterable[Any]) -> None:
        """What became of bodies in quarantine; the last word about one stands, save that what was retried stays so."""

        def rows() -> Iterator[Row]:
            for record in records:
                try:
                    retry = decode_retry(record.value())
                except msgspec.MsgspecError as error:
                    self._unreadable(record, "quarantine retries", str(error))
                    continue
                gone = False
                if retry.event is not None:
                    place, offset = Place(retry.event.topic, retry.event.partition), retry.event.offset
                    gone = offset < self._snapshot.begun.get(place, 0)
                    if self._period.holds(retry.received_at) and not gone:
                        first, last = self.published.get(place, (offset, offset))
                        self.published[place] = min(first, offset), max(last, offset)
                entry = self._number(Place(topics.QUARANTINE, retry.partition))
                yield entry, retry.offset, retry.event_id, retry.outcome, gone

        self._put(
            "INSERT INTO retries VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET outcome = excluded.outcome, "
            "gone = excluded.gone WHERE outcome != 'retried' OR excluded.outcome = 'retried'",
            rows(),
        )

    def reach(self, snapshot: Snapshot) -> None:
        """From now on ``snapshot`` is what is read."""
        self._snapshot = snapshot

    def letters(self, records: Iterable[Any]) -> None:
        """What is in the dead letters, by where it came from."""

        def rows() -> Iterator[Row]:
            for record in records:
                try:
                    letter = _LETTER.decode(record.value() or b"")
                except msgspec.MsgspecError as error:
                    self._unreadable(record, "dead letters", str(error))
                    continue
                source = letter.source
                yield self._number(Place(source.topic, source.partition)), source.offset, letter.stage

        self._put("INSERT OR IGNORE INTO letters VALUES (?, ?, ?)", rows())

    def states(self, records: Iterable[Any]) -> None:
        """The newest state of each key, from the changelogs; a tombstone leaves none."""
        self._newest(records, self._kinds, "state")

    def enriched(self, records: Iterable[Any]) -> None:
        """The newest enriched record of each key."""
        self._newest(records, self._enriched, "record")

    def _newest(self, records: Iterable[Any], kinds: Mapping[str, str], column: str) -> None:
        self._put(
            f"INSERT INTO states (kind, key, partition, {column}) VALUES (?, ?, ?, ?) "  # noqa: S608 - names of columns
            f"ON CONFLICT DO UPDATE SET {column} = excluded.{column}",
            ((kinds[record.topic()], _text(record.key()), record.partition(), record.value()) for record in records),
        )

    def sent(self, target: str, records: Iterable[Any]) -> None:
        """What a sink remembers to have sent, the newest of each order."""

        def rows() -> Iterator[Row]:
            for record in records:
                try:
                    sent = Sent.decode(record.value() or b"")
                except msgspec.MsgspecError as error:
                    self._unreadable(record, target, str(error))
                else:
                    yield target, _text(record.key()), sent.id, sent.version, sent.digest

        self._put("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", rows())

    def updates(self, records: Iterable[Any]) -> None:
        """Derived updates; an unreadable one is everybody's, and named by its place."""

        def rows() -> Iterator[Row]:
            for record in records:
                place, key = Place(record.topic(), record.partition()), _text(record.key())
                start = self._number(place), record.offset(), record.timestamp()[1]
                try:
                    update = decode_update(unframed(record.value() or b""))
                    target = str(type(update).__struct_config__.tag)
                    found: list[Row] = [(target, update.id, key, update.version, digest(update))]
                except UnreadableUpdate:
                    found = [(target, _where(place, record.offset()), key, None, None) for target in TARGETS]
                for each in found:
                    settled = record.offset() < self._snapshot.sinks[each[0]].get(place, 0)
                    yield *start, *each, settled, self._period.holds(start[2])

        self._put("INSERT INTO updates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())

    def quarantine(self, records: Iterable[Any]) -> None:
        """Requests that could not be used, under the event type that was asked for."""

        def rows() -> Iterator[Row]:
            for record in records:
                headers = dict(record.headers() or ())
                asked = _text(headers.get("norce_event_type"))
                event_type = asked if asked in EVENT_TYPES else UNKNOWN
                place, time = Place(record.topic(), record.partition()), record.timestamp()[1]
                with suppress(UnreadableEnvelope):
                    time = read_envelope(record.headers() or ()).received_at // 1000  # what its event will have
                start = self._number(place), record.offset(), time, QUARANTINED, event_type
                counted, origin = self._period.holds(time), "/".join(map(str, (*place, record.offset())))
                yield *start, _text(headers.get("ce_id")), None, None, None, None, True, counted, origin

        self._put(_EVENT, rows())

    def sources(self, records: Iterable[Any]) -> None:
        """Events, and copies of them, with the key of the state that they belong to."""
        self._put(_EVENT, map(self._event, records))
        self._database.run(
            "INSERT OR IGNORE INTO moving SELECT key FROM events WHERE NOT settled AND key IS NOT NULL",
        )

    def _event(self, record: Any) -> Row:
        place, time = Place(record.topic(), record.partition()), record.timestamp()[1]
        role = COPY if place.topic == topics.SUBSCRIPTION_FAILURES else EVENT
        event_type, event_id, received_at, kind = UNKNOWN, _where(place, record.offset()), None, None
        key, origin = _text(record.key()), None
        try:
            envelope = read_envelope(record.headers() or ())
            event_type, event_id, received_at = envelope.event_type, envelope.event_id, envelope.received_at
            found = key_of(event_type, key)
            kind = None if found is None else KINDS[type(found)].name
        except (UnreadableEnvelope, MalformedKey):
            pass  # the worker has to have put it aside
        retried_from = dict(record.headers() or ()).get(RETRIED_FROM_HEADER)
        if role == EVENT and retried_from is not None and received_at is not None:
            # It stands for the body in quarantine, so it is counted at the time when that was received.
            origin, time = _text(retried_from), received_at // 1000
        settled, counted = record.offset() < self._snapshot.worker.get(place, 0), self._period.holds(time)
        body = record.value() if event_type in _KEPT else None
        start = self._number(place), record.offset(), time, role, event_type, event_id
        return *start, kind, key, received_at, body, settled, counted, origin

    def moving(self, records: Iterable[Any]) -> None:
        """Keys of events that came after what is audited and are not finished."""
        self._put("INSERT OR IGNORE INTO moving VALUES (?)", ((_text(record.key()),) for record in records))

    def begun(self, records: Iterable[Any]) -> None:
        """Since when a source is complete, from its first record: what was received before may be deleted."""
        rows = [(*place, None) for place in self._snapshot.begun]
        rows += [(record.topic(), record.partition(), record.timestamp()[1]) for record in records]
        self._put("INSERT OR REPLACE INTO floors VALUES (?, ?, ?)", rows)

    def finish(self) -> None:
        """Name the places, and make what the comparisons look things up by."""
        rows = [(number, *place) for place, number in self._numbers.items()]
        self._put("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", rows)
        self._database.run("CREATE INDEX events_by_id ON events (id, kind, key)")
        self._database.run("CREATE INDEX retries_by_id ON retries (id)")
        self._database.run("CREATE INDEX updates_by_key ON updates (target, key, version, offset)")

    def _number(self, place: Place) -> int:
        return self._numbers.setdefault(place, len(self._numbers))

    def _put(self, statement: str, rows: Iterable[Row]) -> None:
        left = iter(rows)
        while found := list(islice(left, ROWS)):
            self._database.put(statement, found)

    def _unreadable(self, record: Any, about: str, error: str) -> None:
        where = _where(Place(record.topic(), record.partition()), record.offset())
        self._database.problem(about, record.timestamp()[1], where, where, f"is unreadable: {error}")


Load = Callable[[Iterable[Any]], None]


def _where(place: Place, offset: int) -> str:
    return f"{place.topic}/{place.partition}@{offset}"


def _text(data: bytes | str | None) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else (data or "")
