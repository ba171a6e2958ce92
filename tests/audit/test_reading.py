"""Asking where topics begin and end while their partitions move between brokers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.audit.reading import Place, Reader, reader
from pipeline.broker import KafkaCluster
from pipeline.connecting import LeaderMissing
from tests.support.kafka import admin, produce, settings, until

_NAMES = (f"moving-{number}" for number in itertools.count())


async def _led_by_its_second_choice(kafka: KafkaCluster) -> str:
    """A topic with three records, whose leader is about to give way to node 2, which is back in sync."""
    topic = next(_NAMES)
    async with admin(kafka.bootstrap_servers) as client:
        await client.create_topics([NewTopic(topic, -1, -1, replica_assignments={0: [2, 1, 3]})])
    await produce(kafka.bootstrap_servers, topic, [(b"k", b"v")] * 3)
    await kafka.stop_node(2)
    await kafka.start_node(2)

    def partition() -> Any:
        return (
            AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(topic).topics[topic].partitions[0]
        )

    await until(lambda: asyncio.to_thread(partition), lambda found: len(found.isrs) == 3 and found.leader != 2)
    return topic


def _move(kafka: KafkaCluster, topic: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    partition = TopicPartition(topic, 0)
    assert client.elect_leaders(ElectionType.PREFERRED, [partition]).result()[partition] is None


def ends(source: Reader, place: Place) -> object:
    return source.ends([place])[place]


def at(source: Reader, place: Place) -> object:
    return source.offsets_at([place], 1)[place]


Ask = Callable[[Reader, Place], object]


@pytest.mark.parametrize(("ask", "answer"), [(ends, (0, 3)), (at, 0)])
async def test_a_broker_that_does_not_lead_a_partition_any_more_is_not_the_last_one_asked(
    kafka_cluster: KafkaCluster, ask: Ask, answer: object
) -> None:
    topic = await _led_by_its_second_choice(kafka_cluster)

    def asked_before_and_after() -> tuple[object, object]:
        with reader(settings(kafka_cluster), 1e9) as source:
            before = ask(source, Place(topic, 0))
            _move(kafka_cluster, topic)
            return before, ask(source, Place(topic, 0))

    assert await asyncio.to_thread(asked_before_and_after) == (answer, answer)


@pytest.mark.parametrize("ask", [ends, at])
async def test_a_partition_that_nobody_leads_is_named_after_the_time_of_a_request(
    kafka_cluster: KafkaCluster, ask: Ask
) -> None:
    topic = next(_NAMES)
    async with admin(kafka_cluster.bootstrap_servers) as client:
        await client.create_topics([NewTopic(topic, -1, -1, replica_assignments={0: [3]})])
    await produce(kafka_cluster.bootstrap_servers, topic, [(b"k", b"v")])
    await kafka_cluster.stop_node(3)

    def asked() -> None:
        with reader(settings(kafka_cluster, 1.0), 1e9) as source:
            ask(source, Place(topic, 0))

    with pytest.raises(LeaderMissing, match="a partition has no leader at"):
        await asyncio.to_thread(asked)
