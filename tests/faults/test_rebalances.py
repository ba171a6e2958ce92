"""Rebalances without end: work goes on between them, and each partition is worked on by one worker at a time."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.errors import KafkaError

from pipeline.broker.process import Process
from tests.faults.chaos import group_of
from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.pipeline.test_scaling import another
from tests.support.kafka import admin

SECONDS, EVERY = 120.0, 5.0
LONGEST_STALL = 30.0
"""Seconds; of a machine on which a worker starts in less than a sixth of that."""


class Progress:
    """The longest time in which the worker's group committed nothing, though events keep coming."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.longest = 0.0

    async def watch(self) -> None:
        group = group_of(self._system.stack, "worker")
        assert group is not None
        moved, before = time.monotonic(), -1
        while True:
            try:
                async with admin(self._system.servers) as client:
                    while True:
                        offsets = await client.list_consumer_group_offsets(group)
                        now = sum(max(0, each.offset) for each in offsets.values())
                        if now != before:
                            moved, before = time.monotonic(), now
                        self.longest = max(self.longest, time.monotonic() - moved)
                        await asyncio.sleep(0.5)
            except KafkaError:
                await asyncio.sleep(0.5)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_worker_that_joins_or_leaves_every_five_seconds_for_two_minutes_stalls_nothing(
    make_system: MakeSystem, seed: int
) -> None:
    settings = {name: value for name, value in ENDLESS.items() if name != "NORCE_WORKER_INSTANCE_ID"}
    system = await make_system(**settings, NORCE_SIMULATOR_SEED=seed)
    began = time.monotonic()
    await system.start(*ALL)
    start = (time.monotonic() - began) / len(ALL)
    await system.start("simulator")
    progress = Progress(system)
    watching = asyncio.create_task(progress.watch())
    end = time.monotonic() + SECONDS
    second: Process | None = None
    codes: list[int | None] = []
    while time.monotonic() < end:
        await asyncio.sleep(EVERY)
        if second is None:
            second = another(system, "worker")
        else:
            await second.terminate(40)
            codes.append(second.returncode)
            second = None
    if second is not None:
        await second.terminate(40)
    watching.cancel()
    assert len(codes) > 5
    verdict = await drained_and_judged(system)
    assert verdict.good, f"seed {seed}: {verdict.as_json()}"
    assert progress.longest < max(LONGEST_STALL, 6 * start), f"seed {seed}: nothing moved for {progress.longest} s"
