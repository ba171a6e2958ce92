"""The one Kafka of a run: filling topics, and reading what came out."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.processes import cpu
from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.engine import Outgoing
from pipeline.settings import KafkaSettings

PARTITIONS = 4

_PARTITIONER = DefaultPartitioner()
Ends = Mapping[TopicPartition, int]


@dataclass(frozen=True)
class Kafka:
    """What all workloads share."""

    broker: KafkaCluster
    partitions: int = PARTITIONS

    @property
    def servers(self) -> str:
        return self.broker.bootstrap_servers

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": self.servers,
                "partitions": self.partitions,
                "replication_factor": 1,
                "min_insync_replicas": 1,
            }
        )

    @property
    def cpu(self) -> float:
        """Seconds of all cores that the broker used so far."""
        pid = self.broker.pid(1)
        return 0.0 if pid is None else cpu(pid)

    @property
    def environment(self) -> dict[str, str]:
        """The same as variables for our processes."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "NORCE_KAFKA_PARTITIONS": str(self.partitions),
            "NORCE_KAFKA_REPLICATION_FACTOR": "1",
            "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "1",
            "NORCE_LOG_LEVEL": "warning",
        }

    async def make_topics(self, *groups: tuple[str, Sequence[str]]) -> None:
        """Our own topics, with the changelogs of groups and their tables."""
        await topics.create(self.settings, topics.catalogue(*groups))

    async def make(self, *names: str, compact: bool = False) -> None:
        """Topics of a peer."""
        config = {"cleanup.policy": "compact"} if compact else {}
        async with self._admin() as admin:
            answer: Any = await admin.create_topics(
                [NewTopic(name, self.partitions, 1, topic_configs=config) for name in names]
            )
        if any(code for _, code, *_ in answer.topic_errors):
            raise RuntimeError(f"topics were not made: {answer}")

    async def drop(self, *names: str) -> None:
        async with self._admin() as admin:
            await admin.delete_topics(list(names))

    async def laid_out_anew(self, partitions: int) -> Kafka:
        """The same Kafka without any topic, for topics of so many partitions."""
        async with self._admin() as admin:
            while names := [name for name in await admin.list_topics() if not name.startswith("__")]:
                await admin.delete_topics(names)
                await asyncio.sleep(0.5)
        return replace(self, partitions=partitions)

    async def empty(self, *names: str) -> None:
        """Forget every record of the topics, so that whoever reads them from the beginning reads nothing."""
        every = {
            TopicPartition(name, number): RecordsToDelete(-1) for name in names for number in range(self.partitions)
        }
        for wait in (0.5, 1.0, 2.0, 4.0, 8.0, None):
            try:
                async with self._admin() as admin:  # a fresh one each time: it keeps the leaders that it knew first
                    await admin.delete_records(every)
            except KafkaError as error:
                if wait is None or not error.retriable:
                    raise
                await asyncio.sleep(wait)
            else:
                return

    async def fill(self, topic: str, records: Iterable[Outgoing]) -> int:
        """Write records where their keys belong, in their order, and wait for all of them; returns how many."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.servers, acks="all", max_batch_size=512 * 1024, max_request_size=1_000_000
        )
        await producer.start()
        try:
            count = 0
            batches: dict[int, Any] = {}
            for record in records:
                home = _PARTITIONER(record.key, range(self.partitions), ())
                if home not in batches:
                    batches[home] = producer.create_batch()
                if _append(batches[home], record) is None:
                    await (await producer.send_batch(batches[home], topic, partition=home))
                    batches[home] = producer.create_batch()
                    _append(batches[home], record)
                count += 1
            for home, batch in batches.items():
                await (await producer.send_batch(batch, topic, partition=home))
        finally:
            await producer.stop()
        return count

    @asynccontextmanager
    async def watching(self, group: str | None = None) -> AsyncIterator[Watch]:
        """Looks at offsets, many times a second."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.servers, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            yield Watch(consumer, self.partitions)
        finally:
            await consumer.stop()

    async def ends(self, *names: str) -> Ends:
        """The present end of each partition."""
        async with self.watching() as watch:
            return await watch.ends(*names)

    async def read(self, start: Ends, *, until: Ends | None = None) -> AsyncIterator[Any]:
        """Every record from ``start`` to the end that is there now, in offset order per partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.servers, enable_auto_commit=False, max_partition_fetch_bytes=4 * 1024**2
        )
        await consumer.start()
        try:
            consumer.assign(list(start))
            ends = until or await consumer.end_offsets(list(start))
            for tp, offset in start.items():
                consumer.seek(tp, offset)
            left = {tp for tp, offset in start.items() if offset < ends[tp]}
            while left:
                for found in (await consumer.getmany(*left, timeout_ms=500)).values():
                    for record in found:
                        yield record
                left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
        finally:
            await consumer.stop()

    async def newest(self, start: Ends) -> dict[str, dict[bytes, bytes]]:
        """What a compacted topic holds in the end: the last value of each key, by topic."""
        found: dict[str, dict[bytes, bytes]] = defaultdict(dict)
        async for record in self.read(start):
            found[record.topic][record.key] = record.value
        return found

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


class Watch:
    """Ends of topics and committed offsets, through one connection."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: int) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def ends(self, *names: str) -> Ends:
        ends: Ends = await self._consumer.end_offsets(self._of(names))
        return ends

    async def committed(self, *names: str) -> int:
        """Records of the topics that the group is done with."""
        offsets = await asyncio.gather(*(self._consumer.committed(tp) for tp in self._of(names)))
        return sum(offset or 0 for offset in offsets)

    def _of(self, names: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(name, number) for name in names for number in range(self._partitions)]


def _append(batch: Any, record: Outgoing) -> Any:
    return batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
