"""What there is of dead letters: read from the topics and from the changelog of what is parked, disturbing nobody."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec
import orjson

from pipeline import topics
from pipeline.dead_letters.masking import masked
from pipeline.dead_letters.parked import HEAD, ParkedKey, Waiting, waiting_of
from pipeline.dead_letters.resolutions import How, decode_resolution
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.progress import Progress
from pipeline.reading import read_to_end
from pipeline.settings import KafkaSettings

MAX_LETTERS = 10_000
"""Letters held in memory, the newest; what is parked now is always listed, however long ago it died."""
MAX_SHOWN = 20
"""Letters of one key that are shown in full."""


class Status(StrEnum):
    """What became of a dead letter."""

    PARKED = "parked"
    """Its key waits behind it."""
    OPEN = "open"
    """Nothing waits behind it, and nobody has dealt with it."""
    OVERTAKEN = "overtaken"
    """A later update of the same order died after it, which says all that it says."""
    RELEASED = "released"
    DROPPED = "dropped"


UNSETTLED = (Status.PARKED, Status.OPEN)


@dataclass(frozen=True, slots=True)
class Row:
    """One dead letter in short. Times are milliseconds since 1970."""

    id: str
    status: Status
    stage: str
    kind: str | None
    key: str
    event_type: str
    error: str
    reason: str
    since: int
    waiting: int
    partition: int
    topic: str
    offset: int

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant; what is ``None`` does not matter. ``which`` is an id or a key."""

    kind: str | None = None
    event_type: str | None = None
    key: str | None = None
    stage: str | None = None
    since: int | None = None
    which: str | None = None

    def takes(self, row: Row) -> bool:
        wanted = (
            (self.kind, row.kind),
            (self.event_type, row.event_type),
            (self.key, row.key),
            (self.stage, row.stage),
        )
        return (
            all(value is None or value == found for value, found in wanted)
            and (self.since is None or row.since >= self.since)
            and (self.which is None or self.which in (row.id, row.key))
        )


@dataclass
class Found:
    """Letters, the oldest first, and whether older ones were left out."""

    rows: list[Row]
    cut: bool = False


@dataclass
class Shown:
    """One letter in full."""

    row: Row
    letter: dict[str, Any] | None
    resolutions: list[dict[str, Any]] = field(default_factory=list)
    waits: list[dict[str, Any]] = field(default_factory=list)
    tries: int = 0


class MalformedLetter(ValueError):
    """A record on the dead letters that is none."""


async def find(kafka: KafkaSettings, group: str, wanted: Filter, progress: Progress | None = None) -> Found:
    """The letters that a filter takes; ``progress`` has a stage for each topic that is read.

    Raises:
        BrokerUnreachable
    """
    heads = await _heads(kafka, group, progress)
    newest: dict[str, Row] = {}
    cut = False
    last: dict[tuple[str, str], tuple[int, str]] = {}
    async for record in read_to_end(kafka, topics.DEAD_LETTERS, range(kafka.partitions), wanted.since, progress):
        try:
            row = _row(record.value)
        except MalformedLetter:
            continue
        if row.kind is None and row.stage != "join":
            place = (row.stage, row.key)
            last[place] = max(last.get(place, (0, "")), (row.since, row.id))
        if wanted.takes(row):
            newest[row.id] = row
            if len(newest) > MAX_LETTERS * 2:
                newest, cut = {row.id: row for row in heapq.nlargest(MAX_LETTERS, newest.values(), key=_time)}, True
    for head in heads.values():
        row = _parked(head)
        if wanted.takes(row):
            newest[row.id] = row
        else:
            newest.pop(row.id, None)
    settled = await _settled(kafka, newest, progress)
    rows = [_settle(row, heads, settled, last) for row in newest.values()]
    return Found(sorted(rows, key=_time), cut)


async def show(
    kafka: KafkaSettings, group: str, which: str, *, reveal: bool, progress: Progress | None = None
) -> list[Shown]:
    """Letters in full by id or key, the newest of them. Personal data is hidden unless ``reveal``.

    Raises:
        BrokerUnreachable
    """
    rows = (await find(kafka, group, Filter(which=which), progress)).rows[-MAX_SHOWN:]
    found = {row.id: Shown(row, None) for row in rows}
    if not found:
        return []
    homes = {row.partition for row in rows}  # what follows from a record is in the partition of its number
    async for record in read_to_end(kafka, topics.DEAD_LETTERS, homes, None, progress):
        letter = _json(record.value)
        if letter.get("id") in found:
            found[letter["id"]].letter = letter if reveal else _hidden(letter)
    async for record in read_to_end(kafka, topics.RESOLUTIONS, homes, None, progress):
        resolution = _json(record.value)
        if resolution.get("letter") in found:
            found[resolution["letter"]].resolutions.append(resolution)
    for shown in found.values():
        if shown.row.status is Status.PARKED:
            await _add_parked(kafka, group, shown, progress)
    return list(found.values())


def parked_topic(group: str) -> str:
    """The changelog of what is parked."""
    return topics.changelog(group, topics.PARKED_TABLE)


async def _heads(kafka: KafkaSettings, group: str, progress: Progress | None) -> dict[str, ParkedKey]:
    """Every parked key by the id of the letter that it waits behind."""
    heads: dict[tuple[int, bytes], ParkedKey] = {}
    async for record in read_to_end(kafka, parked_topic(group), range(kafka.partitions), None, progress):
        if not record.key.startswith(HEAD):
            continue
        if record.value is None:
            heads.pop((record.partition, record.key), None)
        else:
            heads[record.partition, record.key] = ParkedKey.decode(record.value)
    return {head.letter: head for head in heads.values()}


async def _add_parked(kafka: KafkaSettings, group: str, shown: Shown, progress: Progress | None) -> None:
    """The first events that wait behind a letter, from the changelog of its partition."""
    row, events = shown.row, dict[int, dict[str, Any]]()
    head: ParkedKey | None = None
    async for record in read_to_end(kafka, parked_topic(group), [row.partition], None, progress):
        place = waiting_of(record.key)
        if place is not None and place[1:] == (row.kind, row.key):
            if record.value is None:
                events.pop(place[0], None)
            else:
                events[place[0]] = _event(Waiting.decode(record.value))
        elif place is None and record.value is not None and record.key.startswith(HEAD):
            seen = ParkedKey.decode(record.value)
            head = seen if seen.letter == row.id else head
    if head is not None:
        shown.tries = head.tries
        shown.waits = [event for number, event in sorted(events.items()) if head.first < number < head.next]


async def _settled(kafka: KafkaSettings, rows: Mapping[str, Row], progress: Progress | None) -> dict[str, How]:
    found: dict[str, How] = {}
    async for record in read_to_end(kafka, topics.RESOLUTIONS, range(kafka.partitions), None, progress):
        try:
            resolution = decode_resolution(record.value or b"")
        except msgspec.MsgspecError:
            continue
        letter = resolution.letter
        if letter is not None and letter in rows and resolution.how in (How.RELEASED, How.DROPPED):
            found[letter] = resolution.how
    return found


def _settle(
    row: Row,
    heads: Mapping[str, ParkedKey],
    settled: Mapping[str, How],
    last: Mapping[tuple[str, str], tuple[int, str]],
) -> Row:
    if row.id in heads:
        return row
    if row.id in settled:
        return replace(row, status=Status(settled[row.id].value))
    if last.get((row.stage, row.key), (0, row.id))[1] != row.id:
        return replace(row, status=Status.OVERTAKEN)
    return row


def _row(value: bytes | None) -> Row:
    letter = _json(value)
    try:
        source = letter["source"]
        return Row(
            id=letter["id"],
            status=Status.OPEN,
            stage=letter["stage"],
            kind=letter.get("kind"),
            key=source["key"] if isinstance(source["key"], str) else "",
            event_type=letter.get("event_type", ""),
            error=letter["error"],
            reason=letter["reason"],
            since=letter["died_at"],
            waiting=0,
            partition=source["partition"],
            topic=source["topic"],
            offset=source["offset"],
        )
    except (KeyError, TypeError) as error:
        raise MalformedLetter(str(error)) from None


def _parked(head: ParkedKey) -> Row:
    return Row(
        id=head.letter,
        status=Status.PARKED,
        stage="join",
        kind=head.kind,
        key=head.key,
        event_type=head.event_type,
        error=head.error,
        reason=head.reason,
        since=head.since,
        waiting=head.waiting,
        partition=head.partition,
        topic=head.topic,
        offset=head.offset,
    )


def _event(event: Waiting) -> dict[str, Any]:
    place = {"topic": event.topic, "partition": event.partition, "offset": event.offset}
    try:
        envelope = read_envelope(event.headers)
    except UnreadableEnvelope:
        return place
    return {**place, "event_type": envelope.event_type, "event_id": envelope.event_id}


def _hidden(letter: dict[str, Any]) -> dict[str, Any]:
    source, attempt = dict(letter.get("source") or {}), letter.get("attempt")
    shown = {**letter, "source": {**source, "value": masked(source.get("value"))}}
    if isinstance(attempt, dict):
        shown["attempt"] = {**attempt, "answer": masked(attempt.get("answer") or None)}
    return shown


def _json(value: bytes | None) -> dict[str, Any]:
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(row: Row) -> int:
    return row.since


def open_rows(rows: Iterable[Row]) -> list[Row]:
    """Those that somebody has to deal with."""
    return [row for row in rows if row.status in UNSETTLED]
