"""Brokers for tests that need a real one.

A broker that cannot be had is an error of the test that asked for it, never a skip: run ``make test`` where Java 17 and
Maven are, or name a broker in ``KAFKA_BOOTSTRAP_SERVERS`` for the tests that only need some broker (``kafka``).
"""

from __future__ import annotations

import os
import random
import re
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.broker import Broker, ExternalBroker, KafkaCluster
from pipeline.broker.choice import BOOTSTRAP_SERVERS_VARIABLE
from tests.durations import Noting, longest_first
from tests.faults.catalogue import numbers_of

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="of the faults that are random; drawn and printed when left out")
    parser.addoption("--note-durations", action="store_true", help="note what each file took, see tests/durations.py")


def pytest_configure(config: pytest.Config) -> None:
    """Let programs that tests start be interrupted. A shell that starts the tests in the background ignores SIGINT,
    and a process that begins with that goes on with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--note-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Noting(config.rootpath))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the faults, see tests/faults/catalogue.py, and begin with what takes longest."""
    for item in items:
        path = item.path.relative_to(ROOT / "tests") if item.path.is_relative_to(ROOT / "tests") else item.path
        for number in numbers_of(path.as_posix(), getattr(item, "originalname", item.name)):
            item.add_marker(pytest.mark.fault(number))
    longest_first(items)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Decides what is random in a test; printed, so that a failure can be had again with ``--seed``."""
    given = request.config.getoption("--seed")
    drawn = random.randrange(1, 1_000_000) if given is None else int(given)
    print(f"again: make faults ARGS='--seed {drawn} -k {request.node.originalname}'")
    return drawn


@pytest.fixture
def first_seed(request: pytest.FixtureRequest) -> int:
    """The first simulated history; the same ones every time, unless ``--seed`` says otherwise."""
    given = request.config.getoption("--seed")
    return 1 if given is None else int(given)


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
