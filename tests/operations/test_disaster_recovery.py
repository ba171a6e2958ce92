"""Volumes lost, changelogs lost, a layout that nobody reads: what the topics still hold is enough."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from pipeline import topics
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import admin, produce, until

SCENARIO = {
    "NORCE_SIMULATOR_ORDERS": 60,
    "NORCE_SIMULATOR_RATE": 100,
    "NORCE_SIMULATOR_DUPLICATES": 0.1,
    "NORCE_SIMULATOR_REORDERING": 0.2,
    "NORCE_SIMULATOR_BAD": 0,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_SIMULATOR_LATENCY": 0,
}
STATEFUL = ("worker", "sink connect", "sink checkout")
RUNBOOK = Path(__file__).parents[2] / "docs/operations/disaster-recovery.md"


def runbook() -> list[list[str]]:
    """The commands of the runbook, in order, without the program's name."""
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text(), flags=re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]
    assert {command[0] for command in commands} == {"norce-pipeline"}
    return [command[1:] for command in commands]


REBUILD, CREATE = runbook()


async def rebuild(system: System, *arguments: str) -> tuple[int, str]:
    """The runbook's command with more arguments: exit code, and what it said."""
    return await given(system, *REBUILD, *arguments)


async def given(system: System, *arguments: str) -> tuple[int, str]:
    """A command as an operator gives it: exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pipeline.cli",
        *arguments,
        env=system.stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


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


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_state_is_made_anew_from_the_event_topics_alone(make_system: MakeSystem) -> None:
    system = await make_system(**SCENARIO)
    group = system.stack.groups
    await system.start(*ALL, "simulator")
    await system.until_done()
    orders = await system.enriched()

    code, said = await rebuild(system, "--wait", "0")
    assert (code, "GroupInUse" in said) == (3, True), said
    await stop(system)

    # A newer version wrote the state, and its layout is not ours.
    key = next(iter(orders))
    newer = (key.encode(), b'{"v":2,"facts":[]}')
    for partition in range(system.stack.kafka.partitions):
        await produce(system.servers, topics.changelog(group.worker, "orders"), [newer], partition)
    client_id, application_id, reference = key.split(":")
    await system.post(
        "OrderReceivedEvent",
        ClientId=int(client_id),
        ApplicationId=int(application_id),
        ClientOrderRef=reference,
        Source="rebuilt",
    )
    await ended(system, "UnknownStateLayout")

    # All that is left are the event topics: the volumes and every changelog go.
    lose_volumes(system)
    async with admin(system.servers) as client:
        await forget_topics(client, (topics.changelog(name, "sent") for name in (group.connect, group.checkout)))
    code, said = await rebuild(system)
    assert code == 0, said
    code, said = await given(system, *CREATE)
    assert code == 0, said
    await system.start(*STATEFUL)
    await system.until_done()
    assert await system.differences() == []
    rebuilt = await system.enriched()
    assert {*rebuilt} == {*orders}
    others = {name: record for name, record in orders.items() if name != key}
    again = {name: record for name, record in rebuilt.items() if name != key}
    assert without_versions(again) == without_versions(others)
    assert all(again[name]["version"] >= others[name]["version"] for name in others)
    assert "rebuilt" in str(rebuilt[key])
