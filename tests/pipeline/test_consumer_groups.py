"""Asking for a consumer group, also where no group has ever been."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline import groups
from pipeline.broker import KafkaCluster
from pipeline.connecting import BrokerUnreachable
from tests.support.kafka import create_topics, settings


async def test_a_cluster_that_has_had_no_group_yet_is_asked_until_it_has_a_coordinator(
    fresh_kafka: KafkaCluster,
) -> None:
    await create_topics(fresh_kafka.bootstrap_servers, ["t"], partitions=1)
    partition = TopicPartition("t", 0)

    assert await groups.committed(settings(fresh_kafka), "g", [partition]) == {partition: 0}
    await groups.wait_for_coordinator(settings(fresh_kafka), "g")


async def test_a_cluster_that_cannot_have_a_coordinator_is_named_and_ends_no_process() -> None:
    """The topic of the offsets wants more replicas than there are brokers."""
    async with KafkaCluster(properties={"offsets.topic.replication.factor": "3"}) as kafka:
        await create_topics(kafka.bootstrap_servers, ["t"], partitions=1)
        with pytest.raises(BrokerUnreachable, match="GroupCoordinatorNotAvailable"):
            await groups.committed(settings(kafka, 1.5), "g", [TopicPartition("t", 0)])


async def test_the_offsets_of_a_group_are_told(fresh_kafka: KafkaCluster) -> None:
    await create_topics(fresh_kafka.bootstrap_servers, ["t"], partitions=1)
    partition = TopicPartition("t", 0)
    consumer = AIOKafkaConsumer(
        "t", bootstrap_servers=fresh_kafka.bootstrap_servers, group_id="g", enable_auto_commit=False
    )
    await consumer.start()
    try:
        await consumer.getmany(timeout_ms=1)
        await consumer.commit({partition: 7})
    finally:
        await consumer.stop()
    assert await groups.committed(settings(fresh_kafka), "g", [partition]) == {partition: 7}
