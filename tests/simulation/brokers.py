"""Kafka as far as the promises lean on it: partitions in offset order, committed offsets, groups, compaction."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.partitioner import DefaultPartitioner

from pipeline.engine import Outgoing
from pipeline.engine.slices import TopicPartition

if TYPE_CHECKING:
    from tests.simulation.process import Process

PARTITIONS = 2
UNDER_WAY = 0.7
"""Seconds in which a request that is under way arrives, longer than any takes: partitions are handed over after it."""
_PARTITIONER = DefaultPartitioner()


class Record(NamedTuple):
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def home(key: bytes) -> int:
    """The partition that a key belongs to."""
    return int(_PARTITIONER(key, list(range(PARTITIONS)), list(range(PARTITIONS))))


class Brokers:
    """All topics. Appending and committing happen in one instant; the way there and back takes its time elsewhere."""

    def __init__(self) -> None:
        self._records: dict[TopicPartition, list[Record]] = defaultdict(list)
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        self.committed: dict[tuple[str, TopicPartition], int] = {}
        self.arrived = asyncio.Event()
        """Set, and replaced, whenever there is something new to read."""
        self.appended: list[Callable[[Record], None]] = []
        """Told of every record."""

    def append(self, topic: str, partition: int, records: Iterable[Outgoing], timestamp: int = 0) -> int:
        """Returns the offset of the last one."""
        tp = TopicPartition(topic, partition)
        for key, value, headers in records:
            record = Record(topic, partition, self._ends[tp], timestamp, 0, key, value, headers)
            self._records[tp].append(record)
            self._ends[tp] += 1
            for told in self.appended:
                told(record)
        self.arrived.set()
        self.arrived = asyncio.Event()
        return self._ends[tp] - 1

    def end(self, tp: TopicPartition) -> int:
        return self._ends[TopicPartition(*tp)]

    def read(self, tp: TopicPartition, offset: int, most: int | None = None) -> list[Record]:
        records = self._records[TopicPartition(*tp)]
        start = bisect_left(records, offset, key=lambda record: record.offset)
        return records[start : None if most is None else start + most]

    def all(self, topic: str) -> list[Record]:
        return [record for n in range(PARTITIONS) for record in self._records[TopicPartition(topic, n)]]

    def newest(self, topic: str) -> dict[bytes, bytes]:
        """The compacted view."""
        found = {record.key: record.value for record in self.all(topic)}
        return {key: value for key, value in found.items() if value is not None}

    def compact(self, topic: str, partition: int) -> None:
        """Forget what later records of the same key stand for; offsets keep their gaps, the last record stays."""
        records = self._records[TopicPartition(topic, partition)]
        last = {record.key: record.offset for record in records}
        records[:] = [record for record in records if last[record.key] == record.offset]


class Group:
    """A consumer group with eager rebalances: everybody gives everything up, then everything is given out anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[Process] = []
        self.owners: dict[int, Process] = {}
        """Partition number to its owner; partitions of one number go together, as with Faust's co-partitioning."""
        self._lock = asyncio.Lock()
        self._turn = 0

    async def rebalance(self) -> None:
        async with self._lock:
            await asyncio.gather(*(self._guarded(member, member.revoke()) for member in self._alive()))
            self.owners.clear()
            await asyncio.sleep(UNDER_WAY)
            members = self._alive()
            self.members = members
            self._turn += 1
            for number in range(PARTITIONS if members else 0):
                self.owners[number] = members[(number + self._turn) % len(members)]
            shares = [(each, [n for n, owner in self.owners.items() if owner is each]) for each in members]
            await asyncio.gather(*(self._guarded(each, each.assign(share)) for each, share in shares))

    def _alive(self) -> list[Process]:
        return [member for member in self.members if member.alive]

    async def _guarded(self, member: Process, work: Callable[..., object] | object) -> None:
        """Let a member do its part, unless it dies over it."""
        await asyncio.wait([member.spawn(work)])  # type: ignore[arg-type]
