"""What the broker tests do with a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from tests.support.kafka import admin


async def create_topic(
    servers: str, name: str, *, partitions: int = 1, replicas: int = 1, configs: Mapping[str, str] | None = None
) -> tuple[int, str | None]:
    """Kafka's error code, 0 for a new topic, and its message."""
    async with admin(servers) as client:
        answer: Any = await client.create_topics(
            [NewTopic(name, partitions, replicas, topic_configs=dict(configs or {}))]
        )
    ((_, code, message),) = answer.topic_errors
    return code, message


async def partition_leader(servers: str, topic: str) -> int:
    async with admin(servers) as client:
        while True:
            (description,) = await client.describe_topics([topic])
            if description["error_code"] == 0 and description["partitions"][0]["leader"] >= 0:
                return int(description["partitions"][0]["leader"])
            await asyncio.sleep(0.05)


@asynccontextmanager
async def producing(servers: str, request_timeout_ms: int = 20_000) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, request_timeout_ms=request_timeout_ms
    ) as producer:
        yield producer


async def send(servers: str, topic: str, *values: bytes) -> None:
    async with producing(servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def values_of(servers: str, topic: str) -> list[bytes]:
    """Everything in partition 0, in order."""
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            record = await consumer.getone(partition)
            values.append(record.value)
        return values
