"""Runs contestants against each other: in each repetition all of them, in an order that turns around every time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
    if repetitions > 1:
        await _repeat(workload, 0, contestants, Runs(), report, " (warm-up)")
    for repetition in range(1, repetitions + 1):
        await _repeat(workload, repetition, contestants, runs, report)


async def until_clear(
    workload: Workload, is_clear: Callable[[], bool], at_most: int, runs: Runs, report: Report
) -> None:
    """Repeat what was measured once until the median of all repetitions is clear, ``at_most`` so many in all."""
    contestants = runs.contestants(workload.name)
    for repetition in range(2, at_most + 1):
        if is_clear():
            return
        report(f"{workload.name}: once more, to tell a slow program from a slow moment of the machine")
        await _repeat(workload, repetition, contestants, runs, report)


async def _repeat(
    workload: Workload, repetition: int, contestants: Sequence[str], runs: Runs, report: Report, said: str = ""
) -> None:
    for contestant in contestants if repetition % 2 else reversed(contestants):
        run = await workload.run(contestant, repetition)
        runs.add(run)
        report(f"{workload.name}: {contestant}, {run.values['rate']:,.0f} a second{said}")


async def profile(workload: Workload, folder: Path, report: Report) -> Profile | None:
    """One more run of ours, sampled, whose figures do not count."""
    report(f"{workload.name}: profile")
    async with profiled(folder):
        await workload.run(OURS, 0)
    return read(workload.name, folder, OURS)
