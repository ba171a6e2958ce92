"""Workers and sinks that come and go while the scenario runs: partitions move, order per order is kept."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest

from pipeline.broker.ports import free_ports
from pipeline.broker.process import Process
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import until

pytestmark = pytest.mark.long

SCENARIO = {
    "NORCE_SIMULATOR_ORDERS": 150,
    "NORCE_SIMULATOR_RATE": 25,
    "NORCE_SIMULATOR_DUPLICATES": 0.1,
    "NORCE_SIMULATOR_LATENCY": 0.05,
    "NORCE_SIMULATOR_FAILURES": 0,
}


def another(system: System, name: str) -> Process:
    """A second process of a kind, on a port and a volume of its own."""
    prefix = f"NORCE_{name.split()[-1].upper()}"
    (port,) = free_ports(1)
    folder = system.stack.folder / f"second-{name.replace(' ', '-')}"
    environment = {**system.stack.environment, f"{prefix}_PORT": str(port), f"{prefix}_DATA_DIR": str(folder)}
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)
    return Process([sys.executable, "-m", "pipeline.cli", *name.split()], log, environment=environment)


def reading(process: Process) -> Callable[[], Awaitable[str]]:
    """Looks at a process's log."""

    async def look() -> str:
        return process.log_tail()

    return look


async def test_second_workers_and_sinks_that_come_and_go_change_nothing(make_system: MakeSystem) -> None:
    system = await make_system(**SCENARIO)
    await system.start(*ALL, "simulator")
    names = ("worker", "sink connect", "sink checkout")
    for share in (0.1, 0.4):
        await system.until(lambda seen: seen.taken > share)  # noqa: B023
        seconds = [another(system, name) for name in names]
        for process in seconds:
            await until(reading(process), lambda text: "ready" in text)
        await system.until(lambda seen: seen.taken > share + 0.2)  # noqa: B023
        await asyncio.gather(*(process.terminate(40) for process in seconds))
        assert [process.returncode for process in seconds] == [0, 0, 0]
    await system.until_done()
    assert (await system.norce())["violations"] == {}
    assert await system.differences() == []
    assert await system.failed_checks() == []
