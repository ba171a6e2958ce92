"""Runs contestants against each other: in each repetition all of them, in an order that turns around every time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.bars import OURS
from benchmarks.figures import Run, Runs
from benchmarks.profiles import Profile, profiled, read

Report = Callable[[str], None]


class Workload(Protocol):
    """Something that several contestants do, one at a time."""

    name: str
    contestants: Sequence[str]

    async def prepare(self) -> None:
        """What is done once, before the first run."""

    async def run(self, contestant: str, repetition: int) -> Run:
        """Let one contestant do it, and check what came out. Raises ``WrongResult`` or ``DidNotRun``."""


async def compete(workload: Workload, repetitions: int, left_out: Collection[str], runs: Runs, report: Report) -> None:
    """All repetitions of a workload; the first runs of everything are a warm-up and not kept if there are several."""
    report(f"{workload.name}: preparing")
    await workload.prepare()
    contestants = [name for name in workload.contestants if name not in left_out]
    async for contestant, repetition in _turns(contestants, repetitions):
        run = await workload.run(contestant, repetition)
        if repetition > 0 or repetitions == 1:
            runs.add(run)
        kept = "" if run in runs.runs else " (warm-up)"
        report(f"{workload.name}: {contestant}, {run.values['rate']:,.0f} a second{kept}")


async def profile(workload: Workload, folder: Path, report: Report) -> Profile | None:
    """One more run of ours, sampled, whose figures do not count."""
    report(f"{workload.name}: profile")
    async with profiled(folder):
        await workload.run(OURS, 0)
    return read(workload.name, folder, OURS)


async def _turns(contestants: Sequence[str], repetitions: int) -> AsyncIterator[tuple[str, int]]:
    first = 1 if repetitions == 1 else 0
    for repetition in range(first, repetitions + 1):
        for contestant in contestants if repetition % 2 else reversed(contestants):
            yield contestant, repetition
