"""Topics and records on a real broker, through plain aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.broker import KafkaCluster
from pipeline.settings import KafkaSettings

T = TypeVar("T")


def settings(kafka: KafkaCluster, request_timeout: float = 20) -> KafkaSettings:
    """The pipeline's settings for a cluster; ``request_timeout`` is in seconds."""
    given = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "request_timeout": request_timeout}
    return KafkaSettings.model_validate(given)


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topics(
    bootstrap_servers: str, names: Iterable[str], partitions: int = 2, config: Mapping[str, str] | None = None
) -> None:
    async with admin(bootstrap_servers) as client:
        answer = await client.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=dict(config or {})) for name in names]
        )
    assert not any(code for _, code, *_ in cast(Any, answer).topic_errors), answer


async def topic_configuration(bootstrap_servers: str, topic: str) -> dict[str, str]:
    """Every value that a topic is configured with, as soon as the node that is asked has heard of the topic."""
    async with admin(bootstrap_servers) as client:

        async def ask() -> Any:
            (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            (found,) = cast(Any, answer).resources
            return found

        _code, _message, _type, _name, entries = await until(ask, lambda found: found[0] == 0)
    return {name: value for name, value, *_ in entries}


async def configure_topic(bootstrap_servers: str, topic: str, values: Mapping[str, str]) -> None:
    """Configure a topic with just these values, until the broker tells them: its controller answers earlier."""
    async with admin(bootstrap_servers) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(values))])
    await until(lambda: topic_configuration(bootstrap_servers, topic), lambda told: told.items() >= values.items())


async def delete_before(bootstrap_servers: str, topic: str, partition: int, offset: int) -> None:
    """Let the broker forget the records before an offset, as retention does."""
    async with admin(bootstrap_servers) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})


async def produce(
    bootstrap_servers: str, topic: str, values: Iterable[tuple[bytes, bytes]], partition: int | None = None
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        sent = [await producer.send(topic, value, key=key, partition=partition) for key, value in values]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


@asynccontextmanager
async def consumer(bootstrap_servers: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def read_all(bootstrap_servers: str, *topics: str) -> list[Any]:
    """Every record of the topics from first to last offset as of now, in offset order per partition."""
    return [record async for record in each_record(bootstrap_servers, *topics)]


async def each_record(bootstrap_servers: str, *topics: str, partition: int | None = None) -> AsyncIterator[Any]:
    """As ``read_all``, one after the other and not all in memory; of one partition number only, if it is named."""
    async with consumer(bootstrap_servers) as client:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(await _partitions(client, topic))
            if partition in (None, number)
        ]
        client.assign(partitions)
        ends = await client.end_offsets(partitions)
        await client.seek_to_beginning(*partitions)
        left = set(partitions)
        while left:
            for tp in tuple(left):
                if await client.position(tp) >= ends[tp]:
                    left.discard(tp)
            for batch in (await client.getmany(*left, timeout_ms=200)).values() if left else ():
                for record in batch:
                    yield record


async def _partitions(client: AIOKafkaConsumer, topic: str) -> set[int]:
    await client._client.force_metadata_update()
    await client._client._wait_on_metadata(topic)
    return set(client.partitions_for_topic(topic) or ())


async def lag(bootstrap_servers: str, group: str, *topics: str) -> dict[tuple[str, int], int]:
    """Records behind the group's committed offset, by partition."""
    async with consumer(bootstrap_servers, group) as client:
        partitions = [TopicPartition(topic, n) for topic in topics for n in sorted(await _partitions(client, topic))]
        ends = await client.end_offsets(partitions)
        begins = await client.beginning_offsets(partitions)
        committed = {tp: await client.committed(tp) for tp in partitions}
    return {(tp.topic, tp.partition): ends[tp] - (committed[tp] or begins[tp]) for tp in partitions}


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], Any], *, tries: int = 300) -> T:
    """Look again and again until what is seen is good; fails with the last look."""
    for _ in range(tries):
        seen = await look()
        if good(seen):
            return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"never came: last seen {repr(seen)[:2000]}")


async def drained(bootstrap_servers: str, group: str, *topics: str, tries: int = 300) -> None:
    """Wait until the group has committed everything in the topics."""
    await until(lambda: lag(bootstrap_servers, group, *topics), lambda seen: not any(seen.values()), tries=tries)
