"""Laying all topics out anew with a multiple of their partitions, by copying.

With a multiple, what lived in one partition is spread over its children: partition p of m becomes p, p + m, p + 2m and
so on. So a record's place follows from its key, and what goes with a whole partition goes to all its children.

A topic is copied beside itself, deleted, made again and copied back; it is deleted only when its copy is whole. What
was cut short is repeated: what a topic is like says how far it had come. Until the last step no process starts but
for ``TopicMissing`` or ``WrongPartitionCount``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from pipeline import topics
from pipeline.drift import DRIFT_TABLES
from pipeline.partitions import home
from pipeline.privacy.topics import FORGET, PERSON_KEYS
from pipeline.progress import Progress, Silent
from pipeline.rebuild.course import RebuildError, RebuildRefused, delete, refused, result_of, until_empty
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    KafkaSettings,
    LookupSettings,
    PrivacySettings,
    WorkerSettings,
)
from pipeline.settings_report import all_topics, value
from pipeline.topics import TopicSpec

GROUPS: tuple[str, ...] = tuple(
    value(settings, "group")
    for settings in (
        WorkerSettings,
        ConnectSettings,
        CheckoutSettings,
        LookupSettings,
        DriftSettings,
        PrivacySettings,
    )
)
_WORKER, _LOOKUP, _DRIFT = (value(each, "group") for each in (WorkerSettings, LookupSettings, DriftSettings))
PARKED = topics.changelog(_WORKER, topics.PARKED_TABLE)

GROWN = (
    topics.QUARANTINE,
    topics.QUARANTINE_RETRIES,
    topics.DEAD_LETTERS,
    topics.RESOLUTIONS,
    topics.RECONCILIATION,
)
"""Stay as they are and get more partitions: their records are named by their places, and no table is made of them."""
EMPTIED = (
    topics.LEDGER,
    topics.COMMANDS,
    PARKED,
    *(topics.changelog(_DRIFT, table) for table in DRIFT_TABLES),
)
"""Speak of offsets that are no more, or of nothing: made anew."""
SPREAD = (PERSON_KEYS, FORGET)
"""What is said in a partition holds for everything in it."""
INDEXED = (
    topics.changelog(_WORKER, topics.ALERTS_TABLE),
    *(topics.changelog(_LOOKUP, table) for table in topics.LOOKUP_TABLES),
)
"""Keys are ``s{kind}|{key}`` and ``d{time}|{kind}|{key}``; a record lives with its key."""

ASIDE = ".moving"
"""Ends the name of the copy beside a topic."""
_CONSUME = 1000
_MAX_RECORD_BYTES = 100_000_000  # the broker's limits hold, not the client's
_SECONDS = 60.0

Route = Callable[[bytes | None, bytes | None, int], Sequence[int]]
"""From a record's key, value and partition to the partitions it goes to."""


class NotAMultiple(RebuildError):
    """The partitions of a topic cannot be split into as many as wanted."""

    def __init__(self, found: Mapping[str, int], wanted: int) -> None:
        self.found, self.wanted = found, wanted
        named = ", ".join(f"{name} has {count}" for name, count in found.items())
        super().__init__(
            f"{named}, which cannot be split into {wanted}: NORCE_KAFKA_PARTITIONS must be a multiple of what "
            "there is, and partitions never become fewer"
        )


class KeysParked(RebuildError):
    """Events wait behind dead letters, and their places would be forgotten."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"the worker keeps {count} records of parked keys. Start it, and release or drop them first: "
            "'norce-pipeline dead-letters list'"
        )


class StillWritten(RebuildError):
    """Somebody wrote to a topic while it was copied. The topic is untouched."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} was written to while it was copied. Stop the connector and whatever else writes; repeat"
        )


@dataclass(frozen=True, slots=True)
class Repartitioned:
    """What was done with which topics."""

    moved: tuple[str, ...]
    grown: tuple[str, ...]
    emptied: tuple[str, ...]


async def repartition(kafka: KafkaSettings, *, wait: float = 60.0, progress: Progress | None = None) -> Repartitioned:
    """Give every topic ``kafka.partitions`` partitions, with everything where it then belongs.

    ``wait`` is how many seconds to wait for the last session of each group to end. ``progress`` counts groups, topics
    and offsets.

    Raises:
        NotAMultiple, GroupInUse, KeysParked: before anything is changed.
        StillWritten, RebuildRefused, BrokerUnreachable, CredentialsRefused
    """
    progress = progress or Silent()
    specs = all_topics()
    counts = await topics.partition_counts(kafka)
    wrong = {
        spec.name: counts[spec.name] for spec in specs if counts.get(spec.name, kafka.partitions) != kafka.partitions
    }
    if unfit := {name: count for name, count in wrong.items() if kafka.partitions % count}:
        raise NotAMultiple(unfit, kafka.partitions)
    known = {spec.name for spec in specs} | {spec.name + ASIDE for spec in specs}
    if not wrong and known & counts.keys() == {spec.name for spec in specs}:
        return Repartitioned((), (), ())
    admin = AdminClient(kafka.librdkafka())
    progress.begin("waiting until groups are empty", len(GROUPS))
    for group in GROUPS:
        await asyncio.to_thread(until_empty, admin, kafka, group, wait)
        progress.advance(1)
    if PARKED in wrong and (parked := await asyncio.to_thread(_living, kafka, PARKED)):
        raise KeysParked(parked)
    emptied = [name for name in EMPTIED if name in wrong]
    progress.begin("deleting topics that begin anew", len(emptied))
    await delete(admin, kafka, emptied, progress.advance)
    moved = [spec for spec in specs if spec.name not in (*GROWN, *EMPTIED)]
    to_move = [spec for spec in moved if spec.name in wrong or spec.name + ASIDE in counts]
    for number, spec in enumerate(to_move, 1):
        course = _Course(progress, f"{number} of {len(to_move)}")
        await _move(admin, kafka, spec, wrong.get(spec.name), course)
    grown = [name for name in GROWN if name in wrong]
    progress.begin("giving topics more partitions", len(grown))
    await asyncio.to_thread(_grow, admin, kafka, grown)
    progress.advance(len(grown))
    await asyncio.to_thread(_forget_offsets, admin, kafka)
    await topics.create(kafka, specs)
    return Repartitioned(tuple(spec.name for spec in moved if spec.name in wrong), tuple(grown), tuple(emptied))


@dataclass(frozen=True, slots=True)
class _Course:
    """How far the copying is: which of the topics it is, and the offsets that are copied."""

    progress: Progress
    which: str

    def begin(self, source: str, total: int) -> None:
        self.progress.begin(f"copying {source}, {self.which}", total)


async def _move(admin: AdminClient, kafka: KafkaSettings, spec: TopicSpec, before: int | None, course: _Course) -> None:
    aside = replace(spec, name=spec.name + ASIDE)
    if before is not None:
        await delete(admin, kafka, [aside.name])
        await topics.create(kafka, [aside])
        copied = await asyncio.to_thread(
            _copy, kafka, spec.name, aside.name, router(spec.name, before, kafka.partitions), course
        )
        if await asyncio.to_thread(_ends, kafka, spec.name) != copied:
            raise StillWritten(spec.name)
        await delete(admin, kafka, [spec.name])
    await topics.create(kafka, [spec])
    # If that is cut short and repeated, records are there twice, and no reader minds: they have ids, or keys.
    await asyncio.to_thread(_copy, kafka, aside.name, spec.name, lambda key, said, partition: (partition,), course)
    await delete(admin, kafka, [aside.name])


def router(name: str, before: int, after: int) -> Route:
    """Where the records of a topic go that has ``before`` partitions and gets ``after``, a multiple of them."""

    def route(key: bytes | None, said: bytes | None, partition: int) -> Sequence[int]:
        children = range(partition, after, before)
        if key is None or name in SPREAD:
            return children if name in SPREAD else children[:1]
        place = home(_lives_with(name, key, said), after)
        # What is not in the partition of its key is about the whole partition, such as a mark of how far it has come.
        return (place,) if place in children else children

    return route


def _lives_with(name: str, key: bytes, said: bytes | None) -> bytes:
    if name in INDEXED:
        return key.split(b"|", 1 if key.startswith(b"s") else 2)[-1]
    if name == topics.ALERTS and said is not None:
        return str(json.loads(said)["subject_key"]).encode()
    return key


def _copy(kafka: KafkaSettings, source: str, target: str, route: Route, course: _Course) -> dict[int, int]:
    """Copy a topic; returns the offsets at which it ended when that began."""
    settings = {"enable.idempotence": True, "linger.ms": 20, "message.max.bytes": _MAX_RECORD_BYTES}
    producer = Producer(kafka.librdkafka() | settings)
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            errors.append(error)

    bounds = _bounds(kafka, source)
    course.begin(source, sum(end - begin for begin, end in bounds.values()))
    for record in _records(kafka, source, bounds, course.progress.advance):
        for place in route(record.key(), record.value(), record.partition()):
            while True:
                try:
                    producer.produce(
                        target,
                        value=record.value(),
                        key=record.key(),
                        partition=place,
                        headers=record.headers(),
                        timestamp=record.timestamp()[1],
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(_SECONDS)
    if errors or left:
        raise RebuildRefused(f"copy {source}", errors[0].str() if errors else f"{left} records got no answer")
    return {number: end for number, (_, end) in bounds.items()}


def _records(
    kafka: KafkaSettings,
    name: str,
    bounds: Mapping[int, tuple[int, int]],
    advance: Callable[[int], None] = lambda count: None,
) -> Any:
    """The records of a topic within the bounds, in offset order per partition; ``advance`` hears of offsets."""
    settings = {"group.id": "norce-repartition", "enable.auto.commit": False, "enable.partition.eof": True}
    reader = Consumer(kafka.librdkafka() | settings)
    try:
        reader.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in bounds])
        left = set(bounds)
        at = {number: begin for number, (begin, _) in bounds.items()}
        while left:
            before = sum(at.values())
            for record in reader.consume(_CONSUME, 1.0):
                error, number, offset = record.error(), record.partition(), record.offset()
                if error is None:
                    if number is not None and offset is not None and offset < bounds[number][1]:
                        at[number] = offset + 1
                        yield record
                elif error.code() == KafkaError._PARTITION_EOF:
                    if number is not None:
                        left.discard(number)
                        at[number] = bounds[number][1]
                elif not error.retriable():
                    raise refused(kafka, f"read {name}", KafkaException(error))
            advance(sum(at.values()) - before)
    finally:
        reader.close()


def _ends(kafka: KafkaSettings, name: str) -> dict[int, int]:
    return {number: end for number, (_, end) in _bounds(kafka, name).items()}


def _bounds(kafka: KafkaSettings, name: str) -> dict[int, tuple[int, int]]:
    """The first offset of each partition and the one after its last."""
    reader = Consumer(kafka.librdkafka() | {"group.id": "norce-repartition"})
    try:
        found = reader.list_topics(name, timeout=kafka.request_timeout).topics[name].partitions
        return {
            number: reader.get_watermark_offsets(TopicPartition(name, number), timeout=kafka.request_timeout)
            for number in found
        }
    except KafkaException as error:
        raise refused(kafka, f"tell where {name} ends", error) from error
    finally:
        reader.close()


def _living(kafka: KafkaSettings, name: str) -> int:
    """How many keys of a compacted topic have a value."""
    newest: dict[tuple[int, bytes], bool] = {}
    for record in _records(kafka, name, _bounds(kafka, name)):
        newest[record.partition(), record.key()] = record.value() is not None
    return sum(newest.values())


def _grow(admin: AdminClient, kafka: KafkaSettings, names: Sequence[str]) -> None:
    if not names:
        return
    wanted = [NewPartitions(name, kafka.partitions) for name in names]
    for name, answer in admin.create_partitions(wanted, request_timeout=kafka.request_timeout).items():
        result_of(kafka, f"give {name} more partitions", answer)


def _forget_offsets(admin: AdminClient, kafka: KafkaSettings) -> None:
    """Let every process read from the beginning; what it has worked on it knows by its id."""
    answers = admin.delete_consumer_groups(list(GROUPS), request_timeout=kafka.request_timeout)
    for group, answer in answers.items():
        try:
            answer.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise refused(kafka, f"forget the offsets of group {group}", error) from error
