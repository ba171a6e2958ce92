"""The command: ``python -m benchmarks``, which ``make bench`` runs."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.bars import GO, NODE, STREAMS, bars
from benchmarks.end_to_end import EndToEnd
from benchmarks.figures import Runs, WrongResult
from benchmarks.growth import Growth, Partitions, Workers
from benchmarks.ingress import contestants
from benchmarks.ingress.workload import Ingress, LoadFailed
from benchmarks.join import streams
from benchmarks.join.workload import Join
from benchmarks.kafka import Kafka
from benchmarks.machine import look
from benchmarks.plan import FULL, NORMAL, QUICK, QUICK_AT_MOST, Plan
from benchmarks.processes import DidNotRun
from benchmarks.profiles import available
from benchmarks.recovery import Recovery
from benchmarks.report import Report
from benchmarks.runner import Workload, compete, profile, until_clear
from benchmarks.sinks.workload import Sink
from benchmarks.versions import peer_versions
from pipeline.broker import BrokerError, KafkaCluster

OUT = Path("data/bench")
PROFILED = ("ingress/64 connections", "join", "sink/connect", "sink/checkout")
_progress = Console(stderr=True)


class Part(StrEnum):
    """What can be measured by itself."""

    INGRESS = "ingress"
    JOIN = "join"
    SINKS = "sinks"
    RECOVERY = "recovery"
    LATENCY = "latency"
    GROWTH = "growth"


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes; fails when a ratio is clearly below its bar.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="The largest sizes: hours.")] = False,
    only: Annotated[
        str, typer.Option(help="Parts, comma separated: ingress, join, sinks, recovery, latency, growth.")
    ] = "",
    repetitions: Annotated[int, typer.Option(min=0, help="Repetitions after the warm-up; 0: as the size says.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = OUT,
) -> None:
    """Measure the pipeline against its peers and limits, on one Apache Kafka on this machine.

    Example: python -m benchmarks --only join --repetitions 3
    """
    plan = QUICK if quick else FULL if full else NORMAL
    try:
        parts = [Part(name.strip()) for name in only.split(",") if name.strip()] or list(Part)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from None
    report = Report(Runs(), bars(plan.growth), look(), peer_versions(), [], [], plan.quick)
    try:
        # What is measured is written after each workload: whoever interrupts hours of it keeps the rest.
        asyncio.run(_run(plan, parts, repetitions or plan.repetitions, report, lambda: report.write(out)))
    except (WrongResult, DidNotRun, LoadFailed, BrokerError) as error:
        _progress.print(f"[red]{type(error).__name__}[/red]: {error}")
        raise typer.Exit(1) from error
    paths = report.write(out)
    print(paths[0].read_text())
    _progress.print("written:", *paths)
    if plan.quick:
        failed = report.clearly_below()
        for bar in failed:
            _progress.print(f"[red]clearly below its bar[/red]: {bar.workload}, {bar.value} against {bar.others}")
        raise typer.Exit(bool(failed))


async def _run(plan: Plan, parts: list[Part], repetitions: int, report: Report, measured: Callable[[], object]) -> None:
    left_out: dict[str, str] = {}
    if plan.quick:
        report.notes.append("A quick run has none of the peers that no bar is about.")
    else:
        missing = {NODE: contestants.missing(NODE), GO: contestants.missing(GO), STREAMS: streams.missing()}
        left_out = {contestant: why for contestant, why in missing.items() if why is not None}
        report.notes.extend(f"{contestant} was left out: {why}." for contestant, why in left_out.items())
        report.notes.append(
            "Redpanda Connect is not on the Go module proxy; its place has the standard library's server with "
            "franz-go, the Kafka client it is built on."
        )
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="norce-bench-")))
        cluster = await stack.enter_async_context(KafkaCluster(heap_mb=1024, report=_progress.print))
        for workload in _workloads(plan, parts, Kafka(cluster), folder):
            await compete(workload, repetitions, left_out, report.runs, _progress.print)
            if plan.quick:
                clear = partial(_is_clear, report, workload.name)
                await until_clear(workload, clear, QUICK_AT_MOST, report.runs, _progress.print)
            if workload.name in PROFILED and not plan.quick and available():
                found = await profile(workload, folder / "profiles" / workload.name, _progress.print)
                report.profiles.extend([found] if found else [])
            measured()


def _is_clear(report: Report, workload: str) -> bool:
    return not report.clearly_below(workload)


def _workloads(plan: Plan, parts: list[Part], kafka: Kafka, folder: Path) -> list[Workload]:
    found: list[Workload] = []
    if Part.INGRESS in parts:
        found += [Ingress(kafka, folder, each, plan.seconds, judged=plan.quick) for each in plan.connections]
        if not plan.quick:
            found.append(Ingress(kafka, folder, 64, plan.seconds, processes=2))
    if Part.JOIN in parts:
        found.append(Join(kafka, folder, plan.orders, judged=plan.quick))
    if Part.SINKS in parts:
        found += [Sink(kafka, folder, target, plan.updates) for target in ("connect", "checkout")]
    if Part.RECOVERY in parts:
        found.append(Recovery(kafka, folder, plan.restored, plan.rebuilt))
    if Part.LATENCY in parts and not plan.quick:
        found.append(EndToEnd(kafka, folder, plan.latency_seconds))
    if Part.GROWTH in parts and not plan.quick:
        found += [
            Growth(kafka, folder, plan.orders, plan.growth),
            Workers(kafka, folder, plan.orders),
            Partitions(kafka, folder, plan.orders),
        ]
    return found


if __name__ == "__main__":
    typer.run(main)
