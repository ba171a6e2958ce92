"""A worker that dies again and again under load, at moments that a seed draws."""

from __future__ import annotations

import asyncio
import time
from random import Random
from statistics import median

import pytest

from tests.faults.chaos import Chaos
from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL

KILLS = 20
SLOWER = 5
"""How many times the start of an idle worker a recovery may take, half of the time; it restores and catches up."""


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_a_worker_killed_twenty_times_under_load_loses_and_doubles_nothing(
    make_system: MakeSystem, seed: int
) -> None:
    system = await make_system(**ENDLESS, NORCE_SIMULATOR_SEED=seed)
    await system.start("webhook", "sink connect", "sink checkout")
    began = time.monotonic()
    await system.start("worker")
    idle = time.monotonic() - began
    await system.start("simulator")
    assert system.stack.processes.keys() >= set(ALL)
    chaos = Chaos(system.stack, system.stack.broker, system.client, seed, pause=1.0, only=("worker",))  # type: ignore[arg-type]
    random = Random(seed)
    for _ in range(KILLS):
        await asyncio.sleep(random.uniform(0.0, 3.0))
        await chaos.round()
    verdict = await drained_and_judged(system)
    assert verdict.good, f"seed {seed}: {verdict.as_json()}"
    assert [kill.error for kill in chaos.kills if kill.error] == [], f"seed {seed}"
    recoveries = [kill.recovered for kill in chaos.kills if kill.recovered is not None and not kill.again]
    assert median(recoveries) < SLOWER * idle, f"seed {seed}: {recoveries} where an idle start took {idle}"
