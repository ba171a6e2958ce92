"""Brokers that go away under the running pipeline: everybody waits, nobody loses anything."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from pipeline.broker import KafkaCluster
from tests.pipeline.system import ALL, System

pytestmark = pytest.mark.long

SCENARIO = {
    "NORCE_SIMULATOR_ORDERS": 100,
    "NORCE_SIMULATOR_RATE": 60,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
    "NORCE_CONNECT_INSTANCE_ID": "connect-0",
    "NORCE_CHECKOUT_INSTANCE_ID": "checkout-0",
}


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[tuple[KafkaCluster, System]]:
    """The pipeline on three nodes: three replicas, two of which must have a record."""
    async with (
        KafkaCluster(3, heap_mb=384) as cluster,
        httpx.AsyncClient(timeout=10.0) as client,
    ):
        system = await System.make(cluster, tmp_path, client, SCENARIO)
        try:
            await system.start(*ALL, "simulator")
            yield cluster, system
        finally:
            await system.stack.stop()


async def test_a_broker_killed_under_load_costs_nothing(three: tuple[KafkaCluster, System]) -> None:
    cluster, system = three
    for node, share in ((2, 0.2), (3, 0.5)):
        await system.until(lambda seen: seen.taken > share)  # noqa: B023
        await cluster.kill_node(node)
        await system.until(lambda seen: seen.taken > share + 0.2)  # noqa: B023
        await cluster.start_node(node)
    await system.until_done()
    assert await system.differences() == []
    assert await system.failed_checks() == []


async def test_without_a_majority_of_brokers_nothing_is_taken_and_afterwards_everything(
    three: tuple[KafkaCluster, System],
) -> None:
    cluster, system = three
    await system.until(lambda seen: seen.taken > 0.3)
    await cluster.kill_node(2)
    await cluster.kill_node(3)
    await system.until(lambda seen: seen.webhook.total("norce_webhook_requests_total", answer="not_acknowledged") > 5)
    await cluster.start_node(2)
    await cluster.start_node(3)
    await system.until_done()
    state = await system.norce()
    assert state["events"]["retried"] > 0
    assert await system.differences() == []
    assert await system.failed_checks() == []


async def test_processes_end_when_told_to_although_every_broker_is_gone(three: tuple[KafkaCluster, System]) -> None:
    cluster, system = three
    await system.until(lambda seen: seen.taken > 0.3)
    for node in (1, 2, 3):
        await cluster.kill_node(node)
    processes = [system.stack.processes[name] for name in ALL]
    for process in processes:
        process.send(signal.SIGTERM)
    async with asyncio.timeout(60):
        for process in processes:
            await process.wait()
