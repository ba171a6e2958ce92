"""Reading records of some offsets without being a member of any group, and no faster than is polite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline import groups
from pipeline.connecting import BrokerUnreachable, LeaderMissing, run_and_close, why_unreachable
from pipeline.settings import KafkaSettings
from pipeline.topics import TopicMissing

MEMBERLESS = "norce-pipeline-audit"
"""The client wants the name of a group. Nothing joins it and nothing is committed under it, so no broker has it."""
QUEUE_KIB = 16 * 1024
"""KiB of records that wait in memory."""
BATCH = 1000
"""Records taken at once."""
WAIT = 0.1
"""Seconds that a batch is waited for to be full: what each part that is read costs at least."""
SILENCE = 60.0
"""Seconds without a record after which the brokers are given up."""
AGAIN = 0.1
"""Seconds between two questions while a partition has no leader that knows itself to be one."""

_MOVING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    # Of what was listed already: its leader has not heard of it, or it has none.
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
}
"""What is answered for a moment when a topic is new or a partition moves; the client asks no further by itself."""

Report = Callable[[int], None]
"""Called with the number of records read."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of a partition, from ``start`` to before ``stop``."""

    place: Place
    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)


class Reader:
    """Looks at topics. ``bytes_per_second`` bounds how fast, over all it reads."""

    def __init__(self, kafka: KafkaSettings, consumer: Consumer, bytes_per_second: float) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._pace = _Pace(bytes_per_second)
        self._partitions = self._found()

    def places(self, topics: Iterable[str]) -> list[Place]:
        """The partitions of topics. Raises ``TopicMissing``."""
        wanted = list(topics)
        missing = [topic for topic in wanted if topic not in self._partitions]
        if missing:
            raise TopicMissing(missing)
        return [Place(topic, number) for topic in wanted for number in range(self._partitions[topic])]

    def ends(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset of each partition, and the one that its next record will have."""
        return {
            place: cast(tuple[int, int], self._asked(self._consumer.get_watermark_offsets, TopicPartition(*place)))
            for place in places
        }

    def offsets_at(self, places: Sequence[Place], milliseconds: int) -> dict[Place, int | None]:
        """The first offset with a record of that time or later; ``None`` if there is none yet."""
        asked = [TopicPartition(*place, milliseconds) for place in places]
        found = self._asked(self._offsets_for_times, asked) if asked else []
        return {Place(each.topic, each.partition): each.offset if each.offset >= 0 else None for each in found}

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The committed offsets of a group; 0 where it has none. Raises ``BrokerUnreachable``."""
        found = run_and_close(groups.committed(self._kafka, group, [AioTopicPartition(*place) for place in places]))
        return {Place(each.topic, each.partition): offset for each, offset in found.items()}

    def read(self, spans: Iterable[Span], report: Report) -> Iterator[Any]:
        """The records of these offsets, in order within each partition.

        Raises:
            BrokerUnreachable: nothing came for a long time although something is left.
        """
        left = {span.place: span for span in spans if len(span)}
        if not left:
            return
        found = [TopicPartition(*span.place, span.start) for span in left.values()]
        self._consumer.assign(found)
        self._consumer.resume(found)  # a partition that was read before stays paused when it is assigned again
        heard = time.monotonic()
        while left:
            batch = self._consumer.consume(BATCH, timeout=WAIT)
            if batch:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE:
                raise BrokerUnreachable(self._kafka.bootstrap_servers, f"nothing came for {SILENCE:.0f} s")
            wanted = list(self._wanted(batch, left))
            self._pace.keep(sum([len(record) for record in wanted]))
            yield from wanted
            report(len(wanted))
        self._consumer.unassign()

    def _wanted(self, batch: Iterable[Any], left: dict[Place, Span]) -> Iterator[Any]:
        for record in batch:
            place = Place(record.topic(), record.partition())
            span, error = left.get(place), record.error()
            if span is None:
                continue
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                # The last offsets were compacted away, or belong to no record.
                self._done(left, place)
                continue
            if record.offset() < span.stop:
                yield record
            if record.offset() >= span.stop - 1:
                self._done(left, place)

    def _done(self, left: dict[Place, Span], place: Place) -> None:
        del left[place]
        self._consumer.pause([TopicPartition(*place)])

    def _found(self) -> Mapping[str, int]:
        metadata = self._asked(self._consumer.list_topics)
        return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

    def _offsets_for_times(self, asked: list[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        found = self._consumer.offsets_for_times(asked, timeout=timeout)
        for each in found:
            if each.error is not None:  # it is not raised, and the offset of such a partition says nothing
                raise KafkaException(each.error)
        return found

    def _asked(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """The answer, however often it takes while partitions move, in the time of one request.

        Raises:
            LeaderMissing, BrokerUnreachable, CredentialsRefused
            KafkaException: the brokers refuse to say.
        """
        deadline = time.monotonic() + self._kafka.request_timeout
        while True:
            try:
                return ask(*arguments, timeout=self._kafka.request_timeout)
            except KafkaException as error:
                cause = error.args[0]
                if cause.code() in _MOVING:
                    if time.monotonic() >= deadline:
                        raise LeaderMissing(self._kafka.bootstrap_servers, cause.str()) from error
                elif cause.retriable() or cause.code() in {KafkaError._TRANSPORT, KafkaError._TIMED_OUT}:
                    raise run_and_close(why_unreachable(self._kafka, cause.str())) from error
                else:
                    raise
            time.sleep(AGAIN)


class _Pace:
    """Sleeps so that no more than so many bytes a second are read, since the start."""

    def __init__(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._started = time.monotonic()
        self._bytes = 0

    def keep(self, more: int) -> None:
        self._bytes += more
        early = self._bytes / self._bytes_per_second - (time.monotonic() - self._started)
        if early > 0:
            time.sleep(early)


@contextmanager
def reader(kafka: KafkaSettings, bytes_per_second: float) -> Iterator[Reader]:
    """A reader of the topics. Raises ``BrokerUnreachable``."""
    consumer = Consumer(
        {
            **kafka.librdkafka(),
            "group.id": MEMBERLESS,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": QUEUE_KIB,
            "fetch.message.max.bytes": 512 * 1024,
            "fetch.wait.max.ms": 100,
        }
    )
    try:
        yield Reader(kafka, consumer, bytes_per_second)
    finally:
        consumer.close()
