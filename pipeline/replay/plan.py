"""What is known of the keys of a selection, read from the topics without disturbing anyone.

The order of reading makes a moving system look still: committed offsets first, so what is committed is in the states
that are read later, then states, then updates, which are written before the states that they follow from, and last
what the sinks sent. Rows are kept in a database in a temporary folder. Bodies are kept, read in a second pass, of those
events alone that a state lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from pipeline import topics
from pipeline.audit.database import Database, database
from pipeline.audit.reading import Place, Reader, Span, reader
from pipeline.audit.snapshot import TARGETS, Groups
from pipeline.dead_letters.listing import parked_topic
from pipeline.dead_letters.parked import BETWEEN, HEAD, ParkedKey, Waiting
from pipeline.domain import (
    KINDS,
    KINDS_BY_NAME,
    MalformedKey,
    PushPolicies,
    UnreadableUpdate,
    decode,
    decode_update,
    holdings,
    key_of,
)
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.framing import unframed
from pipeline.partitions import home
from pipeline.progress import Progress
from pipeline.replay.comparison import Compared, Known, Told, compare
from pipeline.replay.selection import NothingSelected, Selection, UnknownOrder
from pipeline.settings import KafkaSettings
from pipeline.sinks.memory import Sent

ROWS = 5000
_SCHEMA = """
CREATE TABLE keys (
    kind TEXT, key TEXT, partition INTEGER, state BLOB, record BLOB, letter TEXT, PRIMARY KEY (kind, key)
);
CREATE TABLE events (kind TEXT, key TEXT, topic TEXT, partition INTEGER, offset INTEGER, id TEXT, settled INTEGER);
CREATE TABLE missing (
    topic TEXT, partition INTEGER, offset INTEGER, kind TEXT, key TEXT, event BLOB,
    PRIMARY KEY (topic, partition, offset)
);
CREATE TABLE sent (target TEXT, key TEXT, value BLOB, PRIMARY KEY (target, key));
CREATE TABLE told (target TEXT, key TEXT, id TEXT, value BLOB, waiting INTEGER, PRIMARY KEY (target, key, id));
"""
_OF_AN_ORDER = "WHERE EXISTS (SELECT 1 FROM keys WHERE kind = 'order' AND key = ?2)"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What to look at. ``folder`` is where the temporary database goes, ``bytes_per_second`` how fast is read."""

    selection: Selection
    targets: tuple[str, ...] = TARGETS
    folder: Path | None = None
    bytes_per_second: float = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys that are touched, as long as the database is there."""

    rows: Database
    policies: PushPolicies
    targets: tuple[str, ...]
    events: int
    """Selected events that state is kept of."""
    passed: int
    """Selected records that name no key to be folded under, or of whose type no state is kept."""
    keys: int

    def compared(self) -> Iterator[Compared]:
        """What a replay of each key would do.

        Raises:
            UnreadableState: another version of the program wrote the state.
        """
        query = "SELECT kind, key, partition, state, record, letter FROM keys ORDER BY kind, key"
        for kind, key, partition, state, record, letter in self.rows.rows(query):
            found = self.rows.rows(
                "SELECT event FROM missing WHERE kind = ? AND key = ? AND event IS NOT NULL ORDER BY topic, offset",
                (kind, key),
            )
            missing = [Waiting.decode(event) for (event,) in found]
            told = {target: self._told(target, key) for target in self.targets} if kind == "order" else {}
            known = Known(KINDS_BY_NAME[kind].key.parse(key), partition, state, record, letter, missing, told)
            yield compare(known, self.policies, self.targets)

    def _told(self, target: str, key: str) -> Told:
        found = self.rows.one("SELECT value FROM sent WHERE target = ? AND key = ?", (target, key))
        sent = None if found is None else Sent.decode(found[0])
        told = self.rows.rows("SELECT id, value, waiting FROM told WHERE target = ? AND key = ?", (target, key))
        updates = {id: (value, waiting) for id, value, waiting in told}
        content = None if sent is None or sent.id not in updates else decode_update(updates[sent.id][0])
        return Told(sent, content, frozenset(id for id, (_, waiting) in updates.items() if waiting))


@contextmanager
def plan(
    kafka: KafkaSettings, groups: Groups, policies: PushPolicies, request: Request, progress: Progress
) -> Iterator[Plan]:
    """Find the keys of a selection and what is known of them; good until the context is left.

    Raises:
        NothingSelected, UnknownOrder, BrokerUnreachable, TopicMissing, OSError
    """
    with database(request.folder, _SCHEMA) as rows:
        with reader(kafka, request.bytes_per_second) as source:
            gathering = _Gathering(source, rows, groups, request, progress)
            gathering.gather(kafka.partitions)
        (keys,) = rows.one("SELECT count(*) FROM keys") or (0,)
        yield Plan(rows, policies, request.targets, gathering.events, gathering.passed, keys)


class _Gathering:
    """From records to rows."""

    def __init__(self, source: Reader, rows: Database, groups: Groups, request: Request, progress: Progress) -> None:
        self._source = source
        self._rows = rows
        self._groups = groups
        self._request = request
        self._progress = progress
        self.events = self.passed = 0

    def gather(self, partitions: int) -> None:
        self._progress.begin("looking at the topics", None)
        selection = self._request.selection
        committed = self._source.committed(self._groups.worker, self._source.places(selection.topics))
        updates = self._source.places([topics.UPDATES])
        sinks = {target: self._source.committed(self._groups.sink(target), updates) for target in self._targets}
        if selection.whole_orders:
            named = [(order.text, home(order.text.encode(), partitions)) for order in selection.orders]
            self._put("INSERT INTO keys (kind, key, partition) VALUES ('order', ?, ?)", named)
        self._read("reading the events", selection.spans(self._source, partitions), self._select, committed)
        self._check(selection)
        self._rows.run("CREATE INDEX events_by_key ON events (kind, key)")
        self._states()
        self._known_at_all(selection)
        self._missing()
        if self._rows.one("SELECT 1 FROM keys WHERE kind = 'order'"):
            self._read("reading what was sent", self._whole([topics.UPDATES]), self._told, sinks)
            for target in self._targets:
                changelog = topics.changelog(self._groups.sink(target), "sent")
                self._read("reading what was sent", self._whole([changelog]), self._sent, target)

    @property
    def _targets(self) -> tuple[str, ...]:
        return self._request.targets

    # -- the selection -------------------------------------------------------------------------------------------

    def _select(self, records: Iterable[Any], committed: Mapping[Place, int]) -> None:
        def found() -> Iterator[Row]:
            for record in records:
                try:
                    envelope = read_envelope(record.headers() or ())
                    if not self._request.selection.takes(envelope, record):
                        continue
                    key = key_of(envelope.event_type, (record.key() or b"").decode())
                except (UnreadableEnvelope, MalformedKey, UnicodeDecodeError):
                    key = None
                if key is None:
                    self.passed += 1
                    continue
                self.events += 1
                place = Place(record.topic(), record.partition())
                settled = record.offset() < committed[place]
                yield KINDS[type(key)].name, key.text, *place, record.offset(), envelope.event_id, settled

        self._put("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", found())
        self._rows.run("INSERT OR IGNORE INTO keys (kind, key, partition) SELECT kind, key, partition FROM events")

    def _check(self, selection: Selection) -> None:
        if self._rows.one("SELECT 1 FROM keys") is None:
            also = f"; {self.passed} records there have no state" if self.passed else ""
            raise NothingSelected(f"no event on {', '.join(selection.topics)} fits the selection{also}")

    def _known_at_all(self, selection: Selection) -> None:
        if selection.whole_orders:
            strange = self._rows.rows(
                "SELECT key FROM keys k WHERE state IS NULL AND letter IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM events e WHERE e.kind = k.kind AND e.key = k.key)"
            )
            names = [key for (key,) in strange]
            if names:
                raise UnknownOrder(names)

    # -- states --------------------------------------------------------------------------------------------------

    def _states(self) -> None:
        kinds = [KINDS_BY_NAME[kind] for (kind,) in self._rows.rows("SELECT DISTINCT kind FROM keys")]
        states = {topics.changelog(self._groups.worker, kind.table): kind.name for kind in kinds}
        enriched = {topics.ENRICHED[kind.table]: kind.name for kind in kinds}
        self._read("reading states", self._whole(states), self._newest, ("state", states))
        self._read("reading enriched records", self._whole(enriched), self._newest, ("record", enriched))
        self._read("reading what is parked", self._whole([parked_topic(self._groups.worker)]), self._parked, None)

    def _newest(self, records: Iterable[Any], into: tuple[str, Mapping[str, str]]) -> None:
        column, kinds = into
        self._put(
            f"UPDATE keys SET {column} = ? WHERE kind = ? AND key = ?",  # noqa: S608 - a name of ours
            ((record.value(), kinds[record.topic()], _text(record.key())) for record in records),
        )

    def _parked(self, records: Iterable[Any], _: None) -> None:
        def found() -> Iterator[Row]:
            for record in records:
                if (record.key() or b"").startswith(HEAD):
                    kind, key = record.key()[len(HEAD) :].split(BETWEEN, 1)
                    value = record.value()
                    yield None if value is None else ParkedKey.decode(value).letter, kind.decode(), key.decode()

        self._put("UPDATE keys SET letter = ? WHERE kind = ? AND key = ?", found())

    def _missing(self) -> None:
        """Events that are committed and are not in the state of their key, with their bodies."""
        self._progress.begin("comparing events", None)

        def absent() -> Iterator[Row]:
            for kind, key, stored in self._rows.rows("SELECT kind, key, state FROM keys WHERE letter IS NULL"):
                ids = {holding.receipt.event_id for holding in holdings(decode(stored))} if stored else frozenset()
                query = "SELECT topic, partition, offset, id FROM events WHERE kind = ? AND key = ? AND settled"
                for topic, partition, offset, event_id in self._rows.rows(query, (kind, key)):
                    if event_id not in ids:
                        yield topic, partition, offset, kind, key

        left = absent()
        while chunk := list(islice(left, ROWS)):
            self._rows.put("INSERT INTO missing VALUES (?, ?, ?, ?, ?, NULL)", chunk)
        spans = [
            Span(Place(topic, partition), first, last + 1)
            for topic, partition, first, last in self._rows.rows(
                "SELECT topic, partition, min(offset), max(offset) FROM missing GROUP BY topic, partition"
            )
        ]
        self._read("reading events that a state lacks", spans, self._bodies, None)
        self._rows.run("CREATE INDEX missing_by_key ON missing (kind, key)")

    def _bodies(self, records: Iterable[Any], _: None) -> None:
        self._put(
            "UPDATE missing SET event = ? WHERE topic = ? AND partition = ? AND offset = ?",
            (
                (_event(record).encode(), record.topic(), record.partition(), record.offset())
                for record in records
                if self._rows.one(
                    "SELECT 1 FROM missing WHERE topic = ? AND partition = ? AND offset = ?",
                    (record.topic(), record.partition(), record.offset()),
                )
            ),
        )

    # -- what was sent -------------------------------------------------------------------------------------------

    def _told(self, records: Iterable[Any], sinks: Mapping[str, Mapping[Place, int]]) -> None:
        def found() -> Iterator[Row]:
            for record in records:
                value, place = unframed(record.value() or b""), Place(record.topic(), record.partition())
                try:
                    update = decode_update(value)
                except UnreadableUpdate:
                    continue
                target = str(update.__struct_config__.tag)
                if target in sinks:
                    waiting = record.offset() >= sinks[target].get(place, 0)
                    yield target, _text(record.key()), update.id, value, waiting

        self._put(f"INSERT OR REPLACE INTO told SELECT ?1, ?2, ?3, ?4, ?5 {_OF_AN_ORDER}", found())

    def _sent(self, records: Iterable[Any], target: str) -> None:
        rows = ((target, _text(record.key()), record.value()) for record in records if _readable(record.value()))
        self._put(f"INSERT OR REPLACE INTO sent SELECT ?1, ?2, ?3 {_OF_AN_ORDER}", rows)

    # -- reading -------------------------------------------------------------------------------------------------

    def _read(self, stage: str, spans: list[Span], take: Any, more: Any) -> None:
        self._progress.begin(stage, sum([len(span) for span in spans]))
        take(self._source.read(spans, self._progress.advance), more)

    def _whole(self, names: Iterable[str]) -> list[Span]:
        """Those partitions of topics that hold anything of the keys: all that meets is in partitions of one number."""
        numbers = {number for (number,) in self._rows.rows("SELECT DISTINCT partition FROM keys")}
        places = [place for place in self._source.places(names) if place.partition in numbers]
        return [Span(place, first, end) for place, (first, end) in self._source.ends(places).items()]

    def _put(self, statement: str, rows: Iterable[Row]) -> None:
        left = iter(rows)
        while chunk := list(islice(left, ROWS)):
            self._rows.put(statement, chunk)


def _event(record: Any) -> Waiting:
    headers = [(name, bytes(value or b"")) for name, value in record.headers() or ()]
    place = record.topic(), record.partition(), record.offset()
    return Waiting(*place, record.timestamp()[1], record.key() or b"", record.value(), headers)


def _readable(value: bytes | None) -> bool:
    try:
        Sent.decode(value or b"")
    except msgspec.MsgspecError:
        return False
    return True


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
