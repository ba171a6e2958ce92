"""No promise leans on a clock: those of all processes jump while the scenario runs and while workers die."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from statistics import median

import pytest

from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL
from tests.support.kafka import read_all

CLOCK = Path(__file__).with_name("clock")


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_clocks_that_jump_ten_minutes_back_and_forth_change_nothing(
    make_system: MakeSystem, repository: Path
) -> None:
    system = await make_system(**ENDLESS, PYTHONPATH=f"{CLOCK}:{repository}")
    await system.start(*ALL, "simulator")
    for enough in (150, 350):
        await system.until(lambda seen: seen.simulator["events"]["accepted"] > enough)  # noqa: B023
        await system.kill("worker")
        await system.start("worker")
    verdict = await drained_and_judged(system)
    assert verdict.good, verdict.as_json()
    times = [
        datetime.fromisoformat(dict(record.headers)["ce_time"].decode()).timestamp()
        for record in await read_all(system.servers, "norce.events.order")
    ]
    middle = median(times)
    assert min(times) < middle - 300 or max(times) > middle + 300, "the clock never jumped"
    assert max(times) - min(times) > 1000
