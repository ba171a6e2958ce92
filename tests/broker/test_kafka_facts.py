"""What the pipeline takes for granted about aiokafka on a real Apache Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.errors import InvalidPartitionsError, KafkaTimeoutError, UnknownTopicOrPartitionError

from pipeline.broker import Broker, KafkaCluster
from tests.broker.support import create_topic, producing, values_of
from tests.support.kafka import admin, topic_configuration, until


async def test_the_admin_client_creates_topics_with_their_configuration(kafka: Broker, unique: str) -> None:
    wanted = {"cleanup.policy": "compact", "min.insync.replicas": "1", "retention.ms": "-1"}
    await create_topic(kafka.bootstrap_servers, unique, partitions=3, configs=wanted)

    found = await topic_configuration(kafka.bootstrap_servers, unique)
    async with admin(kafka.bootstrap_servers) as client:
        (description,) = await client.describe_topics([unique])

    assert {name: found[name] for name in wanted} == wanted
    assert len(description["partitions"]) == 3


async def test_creating_a_topic_twice_is_told_and_changes_nothing(kafka: Broker, unique: str) -> None:
    first = await create_topic(kafka.bootstrap_servers, unique)
    second = await create_topic(kafka.bootstrap_servers, unique, partitions=2)

    assert first == (0, None)
    assert second == (36, f"Topic '{unique}' already exists.")


async def test_partitions_can_be_added_and_never_removed(kafka: Broker, unique: str) -> None:
    await create_topic(kafka.bootstrap_servers, unique)
    async with admin(kafka.bootstrap_servers) as client:
        await client.create_partitions({unique: NewPartitions(3)})
        with pytest.raises(InvalidPartitionsError):
            await client.create_partitions({unique: NewPartitions(2)})

        async def partitions() -> int:
            (description,) = await client.describe_topics([unique])
            return len(description["partitions"])

        await until(partitions, lambda count: count == 3)


async def test_a_topic_that_nobody_declared_does_not_appear(fresh_kafka: KafkaCluster) -> None:
    async with AIOKafkaProducer(bootstrap_servers=fresh_kafka.bootstrap_servers, request_timeout_ms=1000) as producer:
        with pytest.raises((KafkaTimeoutError, UnknownTopicOrPartitionError)):
            await producer.send_and_wait("undeclared", b"lost")

    async with admin(fresh_kafka.bootstrap_servers) as client:
        assert "undeclared" not in await client.list_topics()


async def test_a_long_fetch_is_answered_as_soon_as_a_record_arrives(kafka: Broker, unique: str) -> None:
    """Faust waits 1500 ms for a fetch; only a broker that answers early makes that harmless."""
    wait_ms, records = 1500, 10
    await create_topic(kafka.bootstrap_servers, unique)
    async with (
        producing(kafka.bootstrap_servers) as producer,
        AIOKafkaConsumer(
            unique, bootstrap_servers=kafka.bootstrap_servers, fetch_max_wait_ms=wait_ms, auto_offset_reset="earliest"
        ) as consumer,
    ):
        await producer.send_and_wait(unique, b"first")
        await consumer.getone()
        began = time.monotonic()
        for number in range(records):
            waiting = asyncio.create_task(consumer.getone())
            await producer.send_and_wait(unique, str(number).encode())
            assert (await waiting).value == str(number).encode()
        took = time.monotonic() - began

    # Had each fetch lasted its full wait, this would be 1.
    assert took / (records * wait_ms / 1000) < 1 / 3


async def test_a_compacted_topic_keeps_the_newest_record_of_a_key() -> None:
    async with KafkaCluster(properties={"log.cleaner.backoff.ms": "50"}) as kafka:
        servers = kafka.bootstrap_servers
        await create_topic(
            servers,
            "t",
            configs={
                "cleanup.policy": "compact",
                "segment.ms": "100",
                "min.cleanable.dirty.ratio": "0.001",
                "max.compaction.lag.ms": "100",
            },
        )
        async with producing(servers) as producer:
            for value in (b"old", b"newer", b"newest"):
                await producer.send_and_wait("t", value, key=b"order")

            async with asyncio.timeout(60):
                number = 0
                while b"old" in (values := await values_of(servers, "t")):
                    # The segment that is written to is never compacted: other keys push it on.
                    number += 1
                    await producer.send_and_wait("t", b"filler", key=str(number).encode())
                    await asyncio.sleep(0.1)

    assert b"newest" in values


class _Assignments(ConsumerRebalanceListener):
    """The partitions a member was given, one entry for each rebalance."""

    def __init__(self) -> None:
        self.seen: list[set[TopicPartition]] = []

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.seen.append(set(assigned))


async def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(kafka: Broker, unique: str) -> None:
    await create_topic(kafka.bootstrap_servers, unique, partitions=4)

    @asynccontextmanager
    async def member(instance: str) -> AsyncIterator[_Assignments]:
        assignments = _Assignments()
        async with AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers, group_id=unique, group_instance_id=instance
        ) as consumer:
            consumer.subscribe([unique], listener=assignments)
            await consumer.getmany(timeout_ms=0)
            async with asyncio.timeout(30):
                while not assignments.seen or len(assignments.seen[-1]) != (4 if instance == "stays" else 2):
                    await consumer.getmany(timeout_ms=100)
            yield assignments

    async with member("stays") as staying:
        async with member("returns") as before, asyncio.timeout(30):
            while len(staying.seen[-1]) != 2:  # noqa: ASYNC110 - it hears of the rebalance by itself, maybe later
                await asyncio.sleep(0.01)
        rebalances = len(staying.seen)
        async with member("returns") as after:
            assert after.seen == [before.seen[-1]]
        assert len(staying.seen) == rebalances
