"""Reading a topic once, from its beginning to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline.settings import KafkaSettings
from pipeline.topics import BrokerUnreachable

POLL_MS = 200


async def read_topic(kafka: KafkaSettings, topic: str, partitions: Iterable[int]) -> AsyncIterator[Any]:
    """The records of a topic from its beginning to its end as of now, in offset order per partition.

    Raises:
        BrokerUnreachable
    """
    tps = [TopicPartition(topic, number) for number in partitions]
    async with open_consumer(kafka) as consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        left = set(tps)
        while left := {tp for tp in left if await consumer.position(tp) < ends[tp]}:
            for records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def open_consumer(kafka: KafkaSettings, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that commits nothing. ``group`` is the one whose offsets it can look up; it does not join it.

    Raises:
        BrokerUnreachable
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=POLL_MS,
        request_timeout_ms=int(kafka.request_timeout * 1000),
    )
    try:
        await consumer.start()
    except (KafkaConnectionError, OSError) as error:
        await consumer.stop()
        raise BrokerUnreachable(kafka.bootstrap_servers, error) from error
    try:
        yield consumer
    finally:
        await consumer.stop()
