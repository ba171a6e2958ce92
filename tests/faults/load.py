"""A running pipeline under load for as long as a fault takes, then drained and judged."""

from __future__ import annotations

import asyncio
from typing import Any

from pipeline.run.stack import PROCESSES
from tests.faults.chaos import caught_up
from tests.faults.judging import Judge, Verdict
from tests.pipeline.system import ALL, System

DRAIN_SECONDS = 900.0

#: Long enough for any fault: the load is stopped, not waited for.
ENDLESS: dict[str, Any] = {
    "NORCE_SIMULATOR_ORDERS": 20_000,
    "NORCE_SIMULATOR_RATE": 30,
    "NORCE_SIMULATOR_BAD": 0,
    "NORCE_SIMULATOR_DUPLICATES": 0.05,
    "NORCE_SIMULATOR_REORDERING": 0.1,
    "NORCE_SIMULATOR_FAILURES": 0.02,
    "NORCE_SIMULATOR_TIME_SCALE": 60,
    **{
        group.variable("instance_id"): f"{name.replace(' ', '-')}-0"
        for name, group in PROCESSES.items()
        if "instance_id" in group.model_fields
    },
}


async def drain(system: System) -> None:
    """Let no new event come, and wait until nothing is left to do anywhere."""
    await system.knobs(paused=True)
    quiet, before = 0, None
    async with asyncio.timeout(DRAIN_SECONDS):
        while quiet < 3:
            for name in ALL:
                await caught_up(system.stack, name, DRAIN_SECONDS)
            state = await system.norce()
            now = (state["events"], state["calls"])
            quiet = quiet + 1 if now == before and not state["events"]["waiting"] else 0
            before = now
            await asyncio.sleep(1.0)


async def judge(system: System) -> Verdict:
    """The verdict on a drained system."""
    stack = system.stack
    return await Judge(system.servers, stack.kafka.partitions, stack.url("simulator"), system.client).judge()


async def drained_and_judged(system: System) -> Verdict:
    await drain(system)
    return await judge(system)
