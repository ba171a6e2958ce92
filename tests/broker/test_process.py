"""Child processes: how they end, and what is left to read of them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from pipeline.broker.process import Process

# Says when it listens for SIGTERM, and how it was ended.
_POLITE = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
_STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


async def started(script: str, log: Path, **environment: str) -> Process:
    process = Process(["sh", "-c", script], log, environment={**os.environ, **environment})
    async with asyncio.timeout(30):
        while "ready" not in process.log_tail():  # noqa: ASYNC110 - it is a file
            await asyncio.sleep(0.01)
    return process


async def test_a_process_is_asked_to_end(tmp_path: Path) -> None:
    process = await started(_POLITE, tmp_path / "log")

    await process.terminate(grace=30)

    assert process.returncode == 7
    assert process.log_tail() == "ready\nasked"


async def test_a_paused_process_is_asked_to_end_too(tmp_path: Path) -> None:
    process = await started(_POLITE, tmp_path / "log")
    process.send(signal.SIGSTOP)

    await process.terminate(grace=30)

    assert process.returncode == 7


async def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = await started(_STUBBORN, tmp_path / "log")

    await process.terminate(grace=0.1)

    assert process.returncode == -signal.SIGKILL


async def test_ending_an_ended_process_is_harmless(tmp_path: Path) -> None:
    process = await started("echo ready; exit 3", tmp_path / "log")
    assert await process.wait() == 3

    await process.terminate(grace=1)
    await process.kill()

    assert process.returncode == 3


async def test_a_process_has_the_environment_it_was_given(tmp_path: Path) -> None:
    process = await started('echo "ready $GREETING"', tmp_path / "log", GREETING="hello")
    await process.wait()

    assert process.log_tail() == "ready hello"


async def test_only_the_end_of_a_long_log_is_reported(tmp_path: Path) -> None:
    process = await started("seq 1 5000; echo ready", tmp_path / "log")
    await process.wait()

    assert process.log_tail().endswith("5000\nready")
    assert len(process.log_tail()) <= 4096
