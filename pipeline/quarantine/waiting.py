"""How many bodies wait in quarantine, and for how long they are still kept: for those who do not look by themselves."""

from __future__ import annotations

import asyncio
import time
import zlib
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.cancelling import cancel
from pipeline.connecting import BrokerError
from pipeline.events import Reason
from pipeline.quarantine import metrics
from pipeline.quarantine.entries import Entry
from pipeline.quarantine.retries import Outcome, Retry, decode_retry
from pipeline.reading import POLL_MS, consumer
from pipeline.settings import KafkaSettings
from pipeline.topics import QUARANTINE, QUARANTINE_RETRIES

LOOK_SECONDS = 30.0
"""Between two looks. A look reads only what has come since the last one."""
UNKNOWN = "unknown"
"""The reason of a body that somebody else than a connector wrote: labels come from a fixed set."""
DAY = 86_400

_REASONS = (*(str(reason) for reason in Reason), UNKNOWN)

log = structlog.get_logger(__name__)


class _Partition:
    """The bodies of one partition: thirteen bytes for each, whatever they hold."""

    def __init__(self) -> None:
        self.start = 0
        self._reasons = bytearray()  # 0 is a body that waits no more, or an offset without one
        self._ids = array("I")
        self._times = array("Q")

    def body(self, entry: Entry, timestamp: int) -> None:
        if not self._reasons:
            self.start = entry.offset
        gap = entry.offset - self.start - len(self._reasons)
        self._reasons.extend(bytes(gap))
        self._ids.extend([0] * gap)
        self._times.extend([0] * gap)
        reason = entry.reason if entry.reason in _REASONS else UNKNOWN
        self._reasons.append(_REASONS.index(reason) + 1)
        self._ids.append(_checksum(entry.id))
        self._times.append(max(timestamp, 0))

    def retry(self, retry: Retry) -> None:
        """The id is held against the body's: a topic that was made anew begins at offset 0 again."""
        place = retry.offset - self.start
        known = 0 <= place < len(self._reasons)
        if known and retry.outcome is Outcome.RETRIED and self._ids[place] == _checksum(retry.event_id):
            self._reasons[place] = 0

    def forget_before(self, offset: int) -> None:
        """What the broker has deleted."""
        count = min(max(offset - self.start, 0), len(self._reasons))
        del self._reasons[:count], self._ids[:count], self._times[:count]
        self.start += count

    def counts(self) -> Counter[str]:
        return Counter({reason: self._reasons.count(code) for code, reason in enumerate(_REASONS, 1)})

    def oldest(self) -> int | None:
        """When the first body that waits was received, milliseconds since 1970."""
        place = len(self._reasons) - len(self._reasons.lstrip(b"\0"))
        return self._times[place] if place < len(self._reasons) else None


class Waiting:
    """The bodies that wait, as of the last look."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._partitions = {number: _Partition() for number in range(kafka.partitions)}
        self._next: dict[TopicPartition, int] = {}

    async def look(self) -> None:
        """Read on from the last look to the ends as of now.

        Raises:
            BrokerUnreachable, CredentialsRefused, KafkaError
        """
        bodies, retries = (
            [TopicPartition(topic, number) for number in self._partitions] for topic in (QUARANTINE, QUARANTINE_RETRIES)
        )
        async with consumer(self._kafka) as client:
            # The ends of the retries first: whatever body one of them is about has been written before.
            ends = await client.end_offsets(retries)
            ends |= await client.end_offsets(bodies)
            starts = await client.beginning_offsets([*bodies, *retries])
            self._begin_anew(ends)
            client.assign([*bodies, *retries])
            for tp, start in starts.items():
                client.seek(tp, max(self._next.get(tp, 0), start))
            await self._read(client, bodies, ends, self._body)
            await self._read(client, retries, ends, self._retry)
        for tp in bodies:
            self._partitions[tp.partition].forget_before(starts[tp])

    def counts(self) -> Counter[str]:
        """How many wait, by reason."""
        return sum((partition.counts() for partition in self._partitions.values()), Counter())

    def left(self) -> float:
        """Seconds until the first of them is deleted; the whole retention if there is none."""
        kept = self._kafka.body_retention_days * DAY
        received = [oldest for each in self._partitions.values() if (oldest := each.oldest()) is not None]
        return kept - max(time.time() - min(received) / 1000, 0) if received else kept

    def measure(self) -> None:
        """Bring the gauges up to date."""
        counts = self.counts()
        for reason in _REASONS:
            metrics.WAITING.labels(reason).set(counts[reason])

    def _begin_anew(self, ends: Mapping[TopicPartition, int]) -> None:
        """A topic that is shorter than it was is another one."""
        for tp, end in ends.items():
            if end < self._next.get(tp, 0):
                self._partitions[tp.partition] = _Partition()
                for topic in (QUARANTINE, QUARANTINE_RETRIES):
                    self._next.pop(TopicPartition(topic, tp.partition), None)

    async def _read(
        self,
        client: AIOKafkaConsumer,
        tps: Iterable[TopicPartition],
        ends: Mapping[TopicPartition, int],
        take: Callable[[Any], None],
    ) -> None:
        left = set(tps)
        while left := {tp for tp in left if await client.position(tp) < ends[tp]}:
            for tp, records in (await client.getmany(*left, timeout_ms=POLL_MS)).items():
                for record in records:
                    if record.offset < ends[tp]:
                        take(record)
                        self._next[tp] = record.offset + 1

    def _body(self, record: Any) -> None:
        self._partitions[record.partition].body(Entry.of(record), record.timestamp)

    def _retry(self, record: Any) -> None:
        with suppress(msgspec.MsgspecError):  # the audit names it
            self._partitions[record.partition].retry(decode_retry(record.value))


@asynccontextmanager
async def watching(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Look every half minute, for as long as it is entered. A Kafka that is away leaves the gauges as they were."""
    waiting = Waiting(kafka)
    metrics.LEFT.set_function(waiting.left)
    task = asyncio.create_task(_watch(waiting))
    try:
        yield
    finally:
        await cancel(task)


async def _watch(waiting: Waiting) -> None:
    away = False
    while True:
        try:
            await waiting.look()
        except (BrokerError, KafkaError) as error:
            if not away:
                log.warning("what waits in quarantine cannot be counted", error=repr(error))
            away = True
        except Exception:
            log.exception("what waits in quarantine was not counted")
        else:
            away = False
            waiting.measure()
        await asyncio.sleep(LOOK_SECONDS)


def _checksum(event_id: str) -> int:
    return zlib.crc32(event_id.encode())
