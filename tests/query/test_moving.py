"""Questions while partitions move between workers, which are real processes on a real broker."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.broker.process import Process
from pipeline.query.errors import NoWorker, PartitionMoving
from pipeline.query.things import KINDS_BY_TABLE, Things
from pipeline.query.workers import Workers
from tests.pipeline.system import System
from tests.support.kafka import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = KINDS_BY_TABLE["orders"]
SETTINGS = {"NORCE_SIMULATOR_ORDERS": 0, "NORCE_WORKER_INSTANCE_ID": "worker-0"}
KEYS = [f"103:1032:{number}" for number in range(40)]


class Second:
    """A second worker of the system's group."""

    def __init__(self, system: System, folder: Path) -> None:
        self._system = system
        self._folder = folder
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process | None = None

    async def start(self) -> None:
        own = {
            "NORCE_WORKER_PORT": str(self.port),
            "NORCE_WORKER_DATA_DIR": str(self._folder / "data"),
            "NORCE_WORKER_INSTANCE_ID": "worker-1",
        }
        command = [sys.executable, "-m", "pipeline.cli", "worker"]
        log = self._folder / "worker.log"
        self.process = Process(command, log, environment={**self._system.stack.environment, **own})

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.terminate(40)
            self.process = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, SETTINGS)
        try:
            await made.start("webhook", "worker")
            for number in range(len(KEYS)):
                order = {"ClientId": 103, "ApplicationId": 1032, "ClientOrderRef": str(number), "Source": "WEB"}
                await made.post("orderreceivedevent", **order)
            await until(made.enriched, lambda found: len(found) == len(KEYS))
            yield made
        finally:
            await made.stack.stop()


async def answers(things: Things) -> bool:
    """Whether every order is answered for, and rightly."""
    try:
        found = [await things.get(ORDERS, key) for key in KEYS]
        matches, complete = await things.search("7")
    except (PartitionMoving, NoWorker):
        return False
    assert [thing.key.text for thing in found] == KEYS
    assert {"103:1032:7"} == {match.key for match in matches} or not complete
    return complete


async def test_each_question_goes_to_the_worker_that_has_the_partition(system: System, tmp_path: Path) -> None:
    """Also after a worker came and after it went: what moved is asked for where it is now."""
    second = Second(system, tmp_path)
    first = system.stack.url("worker")
    async with Workers([first, second.url], 10.0) as workers, Workers([first], 10.0) as blind:
        things = Things(workers)
        assert await answers(things)
        used = await lagging(system, first)
        await second.start()
        try:

            async def shared() -> set[int]:
                try:
                    return {
                        partition for partition in range(await blind.partitions()) if not await has(blind, partition)
                    }
                except NoWorker:
                    return set()

            moved = await until(shared, lambda gone: 0 < len(gone) < 4, tries=1200)
            assert await until(lambda: answers(things), bool, tries=1200)
            await until(lambda: told(system, second), lambda seen: not seen[0] & seen[1] and seen[0] | seen[1] == used)
            with pytest.raises(PartitionMoving, match=f"no worker has partition {min(moved)} just now"):
                await blind.read(min(moved), "orders", [b"any"])
            assert (await Things(blind).search("7"))[1] is False
        finally:
            await second.stop()
        assert await until(lambda: answers(things), bool, tries=1200)


async def lagging(system: System, url: str) -> set[str]:
    """The partitions of order events whose lag a worker tells."""
    text = (await system.client.get(f"{url}/metrics")).text
    return set(re.findall(r'norce_pipeline_lag\{partition="(\d+)",topic="norce.events.order"\}', text))


async def told(system: System, second: Second) -> tuple[set[str], set[str]]:
    """The same of both workers, after the second one has read something of its own."""
    order = {"ClientId": 103, "ApplicationId": 1032, "Source": "WEB"}
    for number in range(len(KEYS)):
        await system.post("orderreceivedevent", **order, ClientOrderRef=str(number))
    return await lagging(system, system.stack.url("worker")), await lagging(system, second.url)


async def has(workers: Workers, partition: int) -> bool:
    try:
        await workers.read(partition, "orders", [b"any"])
    except PartitionMoving:
        return False
    return True


async def test_without_any_worker_that_is_said(system: System) -> None:
    (port,) = free_ports(1)
    async with Workers([f"http://127.0.0.1:{port}", "http://nowhere.invalid:1"], 10.0) as workers:
        with pytest.raises(NoWorker, match=rf"no worker answers at http://127.0.0.1:{port}, http://nowhere.invalid:1"):
            await Things(workers).get(ORDERS, KEYS[0])
