"""A broker, topics and connectors for the tests of the webhook connector, all of them processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from tests.webhook.support import Connector, kafka_settings

StartConnector = Callable[..., Connector]


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def broker() -> AsyncIterator[KafkaCluster]:
    """One node with the pipeline's topics, for these tests alone: they pause and kill it."""
    async with KafkaCluster() as cluster:
        await topics.create(kafka_settings(cluster.bootstrap_servers), topics.PUBLIC)
        yield cluster


@pytest_asyncio.fixture
async def fragile_broker(broker: KafkaCluster) -> AsyncIterator[KafkaCluster]:
    """The broker, for a test that breaks it; it is whole again afterwards."""
    yield broker
    await broker.repair()


@pytest.fixture(scope="package")
def connector(broker: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connector]:
    """A connector with default limits that no test harms."""
    with Connector(broker.bootstrap_servers, tmp_path_factory.mktemp("connector")) as running:
        running.until_ready()
        yield running


@pytest.fixture
def start_connector(tmp_path: Path) -> Iterator[StartConnector]:
    """Starts connectors with settings of the test's own and ends what is left of them."""
    with ExitStack() as stack:

        def start(bootstrap_servers: str, **settings: Any) -> Connector:
            folder = tmp_path / f"connector-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Connector(bootstrap_servers, folder, **settings))

        yield start
