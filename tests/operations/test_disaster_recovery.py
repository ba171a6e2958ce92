"""Volumes lost, changelogs lost, a layout that nobody reads: what the topics still hold is enough."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from pipeline import topics
from pipeline.rebuild.course import READ
from tests.operations.runbooks import commands, given
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import admin, produce, until

SCENARIO = {
    "NORCE_SIMULATOR_RATE": 100,
    "NORCE_SIMULATOR_DUPLICATES": 0.1,
    "NORCE_SIMULATOR_REORDERING": 0.2,
    "NORCE_SIMULATOR_BAD": 0,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_SIMULATOR_LATENCY": 0,
}
CHANGELOGS = len(topics.WORKER_TABLES)
STATEFUL = ("worker", "sink connect", "sink checkout")
REBUILD, CREATE = commands("disaster-recovery.md")


async def rebuild(system: System, *arguments: str) -> tuple[int, str]:
    """The runbook's command with more arguments: exit code, and what it said."""
    return await given(system.stack.environment, *REBUILD, *arguments)


async def forget_topics(client: AIOKafkaAdminClient, names: Iterable[str]) -> None:
    names = set(names)
    await client.delete_topics(list(names))
    await until(client.list_topics, lambda seen: not names & set(seen))


def lose_volumes(system: System) -> None:
    for name in STATEFUL:
        shutil.rmtree(system.stack.folder / name.replace(" ", "-"))


async def stop(system: System) -> None:
    for name in STATEFUL:
        assert await system.stop(name) == 0


async def ended(system: System, error: str) -> None:
    """Start the worker, see it end, and see that it says why."""
    log = system.stack.folder / "worker.log"
    before = log.stat().st_size
    del system.stack.processes["worker"]  # the one before
    starting = asyncio.create_task(system.start("worker"))

    async def look() -> int | None:
        process = system.stack.processes.get("worker")
        return None if process is None else process.returncode

    try:
        assert await until(look, lambda code: code is not None)
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    assert error in log.read_bytes()[before:].decode()


def without_versions(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {**record, "version": None, "id": None} for key, record in records.items()}


async def a_newer_layout_is_met(system: System, key: str) -> None:
    """A newer version wrote the state of an order, and the worker that reads it has another layout."""
    newer = (key.encode(), b'{"v":2,"facts":[]}')
    changelog = topics.changelog(system.stack.groups.worker, "orders")
    for partition in range(system.stack.kafka.partitions):
        await produce(system.servers, changelog, [newer], partition)
    client_id, application_id, reference = key.split(":")
    await system.post(
        "OrderReceivedEvent",
        ClientId=int(client_id),
        ApplicationId=int(application_id),
        ClientOrderRef=reference,
        Source="rebuilt",
    )
    await ended(system, "UnknownStateLayout")


async def is_what_it_was(system: System, orders: dict[str, dict[str, Any]], key: str) -> None:
    """Every order is as it was, with versions as high or higher, and the one with news has them too."""
    assert await system.differences() == []
    rebuilt = await system.enriched()
    assert {*rebuilt} == {*orders}
    others = {name: record for name, record in orders.items() if name != key}
    again = {name: record for name, record in rebuilt.items() if name != key}
    assert without_versions(again) == without_versions(others)
    assert all(again[name]["version"] >= others[name]["version"] for name in others)
    assert "rebuilt" in str(rebuilt[key])


@pytest.mark.timeout(300)
async def test_state_of_another_layout_stops_the_worker_and_is_made_anew(make_system: MakeSystem) -> None:
    system = await make_system(**SCENARIO, NORCE_SIMULATOR_ORDERS=8)
    await system.start(*ALL, "simulator")
    await system.until_done()
    orders = await system.enriched()
    key = next(iter(orders))
    assert await system.stop("worker") == 0

    await a_newer_layout_is_met(system, key)
    shutil.rmtree(system.stack.folder / "worker")
    code, said = await rebuild(system)
    assert code == 0, said
    partitions = len(READ) * system.stack.kafka.partitions
    for stage, count in (("deleting changelogs", CHANGELOGS), ("setting partitions back", partitions)):
        assert re.search(rf"{stage}.*━.*{count}/{count}", said), f"no bar for {stage}: {said}"
    await system.start("worker")
    await system.until_done()

    await is_what_it_was(system, orders, key)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_state_is_made_anew_from_the_event_topics_alone(make_system: MakeSystem) -> None:
    system = await make_system(**SCENARIO, NORCE_SIMULATOR_ORDERS=60)
    group = system.stack.groups
    await system.start(*ALL, "simulator")
    await system.until_done()
    orders = await system.enriched()

    code, said = await rebuild(system, "--wait", "0")
    assert (code, "GroupInUse" in said) == (3, True), said
    await stop(system)
    key = next(iter(orders))
    await a_newer_layout_is_met(system, key)

    # All that is left are the event topics: the volumes and every changelog go.
    lose_volumes(system)
    async with admin(system.servers) as client:
        await forget_topics(client, (topics.changelog(name, "sent") for name in (group.connect, group.checkout)))
    code, said = await rebuild(system)
    assert code == 0, said
    code, said = await given(system.stack.environment, *CREATE)
    assert code == 0, said
    await system.start(*STATEFUL)
    await system.until_done()
    await is_what_it_was(system, orders, key)
