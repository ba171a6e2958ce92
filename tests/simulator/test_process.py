"""The simulator as a process: it starts, says what it does, and ends as asked."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connectors.simulator import Simulator
from tests.simulator.support import answering, settings, until, webhook
from tests.support.processes import ROOT

PROGRAM = """
import json, sys, structlog
from connectors.simulator import serve
from pipeline.settings import SimulatorSettings
structlog.configure(processors=[structlog.processors.JSONRenderer()])
sys.exit(serve(SimulatorSettings.model_validate_json(sys.argv[1])))
"""


@asynccontextmanager
async def process(**changes: Any) -> AsyncIterator[Process]:
    given = json.dumps({"port": 0, "orders": 5, **changes})
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = (sys.executable, "-W", "error", "-c", PROGRAM, given)
    started = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, env=environment)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def said(process: Process) -> list[str]:
    """The events of all its log lines, until it ends."""
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return [json.loads(line)["event"] for line in output.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_until_it_is_told_to_stop(number: signal.Signals) -> None:
    async with webhook() as hook, process(webhook_url=hook.url) as simulator:
        assert simulator.stdout is not None
        async for line in simulator.stdout:
            if json.loads(line)["event"] == "simulator.scenario_over":
                break
        simulator.send_signal(number)
        assert await said(simulator) == ["simulator.stopped"]
        assert simulator.returncode == 0


async def test_it_ends_with_its_scenario_when_asked() -> None:
    async with webhook() as hook, process(webhook_url=hook.url, exit_when_done=True) as simulator:
        assert await said(simulator) == ["simulator.started", "simulator.scenario_over", "simulator.stopped"]
        assert simulator.returncode == 0
    assert hook.posts


async def test_it_says_with_its_exit_code_that_an_event_died() -> None:
    hopeless = {"exit_when_done": True, "time_scale": 1e9, "orders": 1}
    async with webhook(answering(500)) as hook, process(webhook_url=hook.url, **hopeless) as simulator:
        events = await said(simulator)
        assert "event.dead" in events
        assert simulator.returncode == 1


async def test_a_port_in_use_ends_it_with_a_named_error() -> None:
    async with Simulator(settings()) as first, process(port=first.port) as simulator:
        output, _ = await asyncio.wait_for(simulator.communicate(), 20)
        assert f"AddressInUse: 127.0.0.1:{first.port} is in use" in output.decode()
        assert simulator.returncode == 1


async def test_it_stops_in_the_middle_of_its_scenario() -> None:
    async with webhook(answering(503)) as hook, process(webhook_url=hook.url) as simulator:
        await until(lambda: len(hook.posts) >= 3, 20)
        simulator.send_signal(signal.SIGTERM)
        assert (await said(simulator))[-1] == "simulator.stopped"
        assert simulator.returncode == 0
