"""Brokers restarted one after the other under load, as the runbook says: nobody notices."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from pipeline.broker import KafkaCluster
from tests.faults.load import ENDLESS, drained_and_judged
from tests.operations.runbooks import commands, given
from tests.pipeline.system import ALL, System

BEFORE, AFTER = commands("broker-upgrade.md")


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_three_brokers_restarted_one_after_the_other_under_load_lose_nothing(tmp_path: Path) -> None:
    async with KafkaCluster(3, heap_mb=384) as cluster, httpx.AsyncClient(timeout=30.0) as client:
        system = await System.make(cluster, tmp_path, client, ENDLESS)
        environment = system.stack.environment
        try:
            await system.start(*ALL, "simulator")
            for node in (1, 2, 3):
                code, said = await given(environment, *BEFORE)
                assert code == 0, said
                await cluster.stop_node(node)
                code, said = await given(environment, *BEFORE, "--wait", "0")
                assert (code, "lagging  norce.events.order" in said) == (1, True), said
                await cluster.start_node(node)
                code, said = await given(environment, *AFTER)
                assert code == 0, said
            verdict = await drained_and_judged(system)
        finally:
            await system.stack.stop()
    assert verdict.good, verdict.as_json()
    assert verdict.orders > 0
