"""Which broker a local run gets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.broker.cluster import KafkaCluster
from pipeline.broker.distribution import VERSION, Report, fetch_distribution, find_distribution
from pipeline.broker.errors import KafkaNotInstallable
from pipeline.broker.memory import InMemoryCluster

BOOTSTRAP_SERVERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"


class Broker(Protocol):
    """A broker to work with, whatever it is."""

    @property
    def kind(self) -> str:
        """``external``, ``apache-kafka`` or ``in-memory``."""

    @property
    def bootstrap_servers(self) -> str:
        """host:port, comma separated."""

    @property
    def limits(self) -> str | None:
        """One sentence on what this broker cannot show; None when it is a real one."""

    @property
    def topic_partitions(self) -> int | None:
        """The partitions every topic has when topics cannot be created; None when they can."""

    @property
    def replicas(self) -> int | None:
        """The most replicas a topic can have; None when the operator of the broker knows."""


@dataclass(frozen=True)
class ExternalBroker:
    """A broker that somebody else runs."""

    bootstrap_servers: str
    kind: str = "external"
    limits: str | None = None
    topic_partitions: int | None = None
    replicas: int | None = None


@dataclass(frozen=True)
class Choice:
    """``kind`` as in ``Broker``; ``reason`` is a sentence for people."""

    kind: str
    reason: str


def discover(environment: Mapping[str, str] = os.environ) -> Choice:
    """Which broker ``open_broker`` takes on this machine; fetches and starts nothing."""
    if servers := environment.get(BOOTSTRAP_SERVERS_VARIABLE):
        return Choice(ExternalBroker.kind, f"{BOOTSTRAP_SERVERS_VARIABLE} names {servers}")
    try:
        distribution = find_distribution(environment)
    except KafkaNotInstallable as error:
        return Choice(InMemoryCluster.kind, f"Apache Kafka cannot run here: {error}")
    return Choice(KafkaCluster.kind, f"Apache Kafka {VERSION} on Java {distribution.java.major}")


@asynccontextmanager
async def open_broker(
    nodes: int = 1,
    data_dir: Path | None = None,
    *,
    report: Report = lambda line: None,
    environment: Mapping[str, str] = os.environ,
) -> AsyncIterator[Broker]:
    """The broker of a local run, for as long as the context lasts.

    1. the one ``KAFKA_BOOTSTRAP_SERVERS`` names, as it is;
    2. otherwise Apache Kafka with ``nodes`` nodes, when it can be had on this machine;
    3. otherwise the in-memory broker; ``report`` is told why, and what it cannot show.

    Raises:
        BrokerUnavailable: the chosen broker was started and does not serve.
    """
    choice = discover(environment)
    if choice.kind == ExternalBroker.kind:
        yield ExternalBroker(environment[BOOTSTRAP_SERVERS_VARIABLE])
        return
    if choice.kind == KafkaCluster.kind:
        try:
            await fetch_distribution(report, environment)
        except KafkaNotInstallable as error:
            choice = Choice(InMemoryCluster.kind, f"Apache Kafka cannot run here: {error}")
        else:
            async with KafkaCluster(nodes, data_dir, report=report, environment=environment) as cluster:
                yield cluster
            return
    async with InMemoryCluster() as memory:
        report(f"{choice.reason}. {memory.limits}")
        yield memory
