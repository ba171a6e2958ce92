"""The course of a run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from connectors.simulator import Scenario
from pipeline import topics
from pipeline.broker import BrokerError, open_broker
from pipeline.connecting import run_and_close
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.run import beside, live, summary, verdict
from pipeline.run.observe import Observer, Snapshot
from pipeline.run.stack import BESIDE, STREAM, Stack, StartFailed, fresh_folder
from pipeline.settings import SimulatorSettings

FOLDER = Path("data/run")
"""State and logs of the run, emptied at its start."""

REFRESH = 0.5
"""Seconds between two looks."""

SETTLED = 3
"""Looks in a row that must find nothing left to do."""

PATIENCE = 120.0
"""Seconds without any progress after which a run has failed."""


class TopicsNotEmpty(Exception):
    """The broker's topics hold records of something else, so that the result could not be told apart."""


class Stalled(Exception):
    """Nothing moved for a long time although not everything was done."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    exit: bool = False
    nodes: int = 1
    orders: int | None = None
    seed: int | None = None
    plain: bool = False

    @property
    def overrides(self) -> dict[str, str]:
        chosen = {"NORCE_SIMULATOR_ORDERS": self.orders, "NORCE_SIMULATOR_SEED": self.seed}
        return {name: str(value) for name, value in chosen.items() if value is not None}


def show(options: Options) -> int:
    """Run; returns the exit code: 0 if every check held."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file or a pipe has no width; wrapped lines are hard to search
    try:
        return run_and_close(_run(options, console))
    except (BrokerError, StartFailed, Stalled, TopicsNotEmpty) as error:
        console.print(f"error: {type(error).__name__}: {error}", style="red", markup=False)
        return 3


async def _run(options: Options, console: Console) -> int:
    interrupted = _interruption()
    folder = fresh_folder(FOLDER)
    console.print("Starting the broker …")
    async with open_broker(options.nodes, folder / "kafka", report=console.print) as broker:
        stack = Stack(broker, folder, options.overrides)
        stack.check_ports()
        await stack.create_topics()
        await _check_empty(stack)
        console.print(f"Kafka ({broker.kind}) at {broker.bootstrap_servers}; starting the processes …")
        async with _running(stack, console), httpx.AsyncClient(timeout=5.0) as client:
            observer = Observer(stack, client)
            task = asyncio.create_task(_watch(observer, stack, console, plain=options.plain))
            stop = asyncio.create_task(interrupted.wait())
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
                return 130
            right = await _conclude(task.result(), stack, console)
            summary.where_next(console, stack)
            if not options.exit:
                console.print("\nEverything stays up until Ctrl-C.")
                await stop
            stop.cancel()
            console.print("stopping …")
    return 0 if right else 1


@asynccontextmanager
async def _running(stack: Stack, console: Console) -> AsyncIterator[None]:
    try:
        with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console) as shown:
            task = shown.add_task("ready", total=len(STREAM) + len(BESIDE))
            await stack.start(*STREAM, *BESIDE, ready=lambda name: shown.advance(task))
        await stack.start("simulator")
        yield
    finally:
        await stack.stop()


async def _check_empty(stack: Stack) -> None:
    if stack.broker.kind != "external":
        return
    names = [topics.ORDERS_ENRICHED, topics.UPDATES, *EVENT_TOPICS]
    found = await verdict.read(stack.kafka.bootstrap_servers, names)
    taken = [name for name, records in found.items() if records]
    if taken:
        raise TopicsNotEmpty(f"{', '.join(taken)} at {stack.kafka.bootstrap_servers}: a run needs topics of its own")


async def _watch(observer: Observer, stack: Stack, console: Console, *, plain: bool) -> Snapshot:
    """Show what happens until nothing is left to do."""
    loop = asyncio.get_running_loop()
    shown: str | None = None
    moved, settled = loop.time(), 0
    with Live(console=console, refresh_per_second=8, transient=False, auto_refresh=console.is_terminal) as screen:
        while True:
            snapshot = await observer.look()
            text = live.line(snapshot)
            if plain or not console.is_terminal:
                if text != shown:
                    console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                screen.update(live.view(snapshot, f"norce-pipeline on {stack.broker.bootstrap_servers}"))
            if text != shown:
                shown, moved = text, loop.time()
            if (ended := stack.ended()) is not None:
                raise StartFailed(ended, stack.processes[ended].log, stack.processes[ended].log_tail())
            settled = settled + 1 if snapshot.done else 0
            if settled >= SETTLED:
                return snapshot
            if loop.time() - moved > PATIENCE:
                raise Stalled(f"nothing moved for {PATIENCE:.0f} s: {text}")
            await asyncio.sleep(REFRESH)


async def _conclude(snapshot: Snapshot, stack: Stack, console: Console) -> bool:
    settings = SimulatorSettings.model_validate(_simulator_environment(stack))
    expectation = Scenario(settings.seed, settings.orders, settings.bad).expectation()
    servers = stack.kafka.bootstrap_servers
    evidence = await verdict.gather(servers, stack.url("simulator"), snapshot, expectation, stack.groups)
    checks = verdict.judge(evidence) + beside.judge(evidence, await beside.gather(servers))
    summary.show(console, checks, evidence)
    return all(check.holds for check in checks)


def _simulator_environment(stack: Stack) -> dict[str, str]:
    names = ("seed", "orders", "bad")
    given = {name: stack.environment.get(SimulatorSettings.variable(name)) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _interruption() -> asyncio.Event:
    """Set by the first Ctrl-C or SIGTERM."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event
