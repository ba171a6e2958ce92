"""Brokers for tests that need a real one.

A broker that cannot be had is an error of the test that asked for it, never a skip: run ``make test`` where Java 17 and
Maven are, or name a broker in ``KAFKA_BOOTSTRAP_SERVERS`` for the tests that only need some broker (``kafka``).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.broker import Broker, ExternalBroker, KafkaCluster
from pipeline.broker.choice import BOOTSTRAP_SERVERS_VARIABLE

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name nobody else uses: for the topics, consumer groups and ids of one test on a shared broker."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{readable}-{uuid.uuid4().hex[:8]}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka() -> AsyncIterator[Broker]:
    """One broker for all tests of the run: share it by names of your own (``unique``)."""
    if servers := os.environ.get(BOOTSTRAP_SERVERS_VARIABLE):
        yield ExternalBroker(servers)
        return
    async with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture
async def fresh_kafka() -> AsyncIterator[KafkaCluster]:
    """An empty one-node cluster for one test, which may do with it what it likes."""
    async with KafkaCluster() as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three_nodes() -> AsyncIterator[KafkaCluster]:
    """The three nodes behind ``kafka_cluster``; ask for that one."""
    async with KafkaCluster(3, heap_mb=384) as cluster:
        yield cluster


@pytest.fixture
async def kafka_cluster(three_nodes: KafkaCluster) -> AsyncIterator[KafkaCluster]:
    """Three nodes to break; whatever a test does to them is repaired before the next one."""
    await three_nodes.repair()
    yield three_nodes
    await three_nodes.repair()
