"""The soak: the whole pipeline under load for as long as wanted, with processes killed at random, and a verdict.

``python -m tests.faults.soak --minutes 60 --seed 7`` ends with 0 only if nothing was lost or counted twice, Norce holds
the newest state of every order, and memory and descriptors stayed flat. Needs Linux, Java 17 and Maven.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

from pipeline.broker import KafkaCluster
from pipeline.run.stack import PROCESSES, StartFailed, fresh_folder
from tests.faults.chaos import Chaos, start
from tests.faults.judging import Verdict
from tests.faults.load import drain, judge
from tests.faults.sampling import Sampler, flatness, sizes
from tests.pipeline.system import ALL, System

EVENTS_PER_ORDER = 4.5
"""Fewer than an order of the scenario has on average, so that the scenario outlasts the soak."""
QUIET = 0.25
"""Share of the time at the end without kills: processes get old there, and what they keep shows."""
EVERYONE = "all"
UNHURRIED = {
    # A node that gets little of a shared machine is not a dead one.
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "6000",
    "controller.quorum.election.timeout.ms": "2000",
    "controller.quorum.fetch.timeout.ms": "4000",
}


@dataclass(frozen=True)
class Options:
    """What to do. ``rate`` is events a second, ``pause`` mean seconds between a recovery and the next kill."""

    minutes: float = 60.0
    seed: int = 1
    rate: float = 40.0
    pause: float = 20.0
    nodes: int = 1
    folder: Path = Path("data/soak")

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def settings(self) -> dict[str, Any]:
        """The scenario, with everything that Norce does on a bad day."""
        instances = {
            group.variable("instance_id"): f"{name.replace(' ', '-')}-0"
            for name, group in PROCESSES.items()
            if "instance_id" in group.model_fields
        }
        return {
            **instances,
            "NORCE_SIMULATOR_SEED": self.seed,
            "NORCE_SIMULATOR_ORDERS": int(self.rate * self.seconds / EVENTS_PER_ORDER) + 50,
            "NORCE_SIMULATOR_RATE": self.rate,
            "NORCE_SIMULATOR_TIME_SCALE": 60,
            "NORCE_SIMULATOR_DUPLICATES": 0.05,
            "NORCE_SIMULATOR_REORDERING": 0.1,
            "NORCE_SIMULATOR_BAD": 0.01,
            "NORCE_SIMULATOR_FAILURES": 0.02,
            "NORCE_SIMULATOR_LOST_ANSWERS": 0.01,
            "NORCE_SIMULATOR_LATENCY": 0.005,
        }


class Soak:
    """One soak on a cluster of its own."""

    def __init__(self, options: Options, cluster: KafkaCluster, system: System) -> None:
        self.options = options
        self.system = system
        self.chaos = Chaos(system.stack, cluster, system.client, options.seed, options.pause)
        self.sampler = Sampler(system.stack, interval=min(5.0, options.seconds / 60))
        self.crashes: list[str] = []
        self.startup: dict[str, float] = {}

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        for name in ALL:
            at = time.monotonic()
            await start(self.system.stack, name)
            self.startup[name] = round(time.monotonic() - at, 3)
        await self.system.start("simulator")
        watching = [asyncio.create_task(part) for part in (self.sampler.run(), self._watch(), self._tell())]
        try:
            loaded = time.monotonic()
            await self.chaos.run(until=loaded + self.options.seconds * (1 - QUIET))
            print(f"{len(self.chaos.kills)} kills done, no more from here on", flush=True)
            await asyncio.sleep(max(0.0, loaded + self.options.seconds - time.monotonic()))
            self.loaded = time.monotonic() - loaded
            drained = time.monotonic()
            await drain(self.system)
            drained = round(time.monotonic() - drained, 1)
        finally:
            for task in watching:
                task.cancel()
            for task in watching:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        print("drained, judging", flush=True)
        return self._result(await judge(self.system), began, drained)

    async def _watch(self) -> None:
        """A process that ends by itself is a finding; it is started again, so that the soak goes on."""
        while True:
            name = self.system.stack.ended()
            if name is not None and name not in self.chaos.down:
                process = self.system.stack.processes[name]
                self.crashes.append(f"{name} ended with {process.returncode}: {process.log_tail()[-2000:]}")
                print(f"{name} ended by itself", flush=True)
                with contextlib.suppress(StartFailed):  # then it is found here again
                    await start(self.system.stack, name)
            await asyncio.sleep(0.5)

    async def _tell(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(30)
            seen = await self.system.observer.look()
            events = seen.simulator.get("events", {})
            print(
                f"{(time.monotonic() - began) / 60:5.1f} min: {events.get('accepted')} accepted, "
                f"{events.get('waiting')} waiting, {len(self.chaos.kills)} kills, lag {seen.lag('worker')}",
                flush=True,
            )

    def _result(self, verdict: Verdict, began: float, drained: float) -> dict[str, Any]:
        warm = min(60.0, self.options.seconds / 20)
        memory = flatness(self.sampler.samples, "resident", warm)
        descriptors = flatness(self.sampler.samples, "descriptors", warm)
        stack = self.system.stack
        folders = {path.name: path for path in stack.folder.iterdir() if path.is_dir()}
        unrecovered = [kill.process for kill in self.chaos.kills if kill.recovered is None]
        flat = all(each.flat for name, each in (*memory.items(), *descriptors.items()) if name != "simulator")
        return {
            "good": verdict.good and flat and not self.crashes and not unrecovered,
            "command": f"make soak ARGS='{' '.join(_arguments(self.options))}'",
            "options": {name: str(value) for name, value in asdict(self.options).items()},
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
            "seconds": round(time.monotonic() - began),
            "loaded_seconds": round(self.loaded),
            "events_per_second": round(verdict.posted / self.loaded, 1),
            "drained_seconds": drained,
            "verdict": verdict.as_json(),
            "kills": dict(Counter(kill.process for kill in self.chaos.kills)),
            "killed_again_while_starting": sum(kill.again for kill in self.chaos.kills),
            "startup_seconds": self.startup,
            "recovery": {name: _spread(self._times(name)) for name in (EVERYONE, *self.chaos.targets)},
            "crashes": self.crashes,
            "unrecovered": unrecovered,
            "memory": {name: each.as_json() for name, each in memory.items()},
            "descriptors": {name: each.as_json() for name, each in descriptors.items()},
            "bytes_on_disk": sizes(folders),
            "each_kill": self.chaos.as_json(),
        }

    def _times(self, name: str) -> list[float]:
        return [k.recovered for k in self.chaos.kills if k.recovered is not None and name in (EVERYONE, k.process)]


def markdown(result: dict[str, Any]) -> str:
    """The figures as they stand in the README."""
    verdict, everyone = result["verdict"], result["recovery"][EVERYONE]
    kills = ", ".join(f"{name} {count}" for name, count in sorted(result["kills"].items()))
    rows = [
        ("load", f"{result['events_per_second']} events/s for {result['loaded_seconds'] / 60:.0f} minutes"),
        ("events posted / accepted", f"{verdict['posted']} / {verdict['accepted']}"),
        ("orders / other things", f"{verdict['orders']} / {verdict['groups']}"),
        ("kills (SIGKILL)", f"{sum(result['kills'].values())}: {kills}"),
        ("lost", verdict["lost"]),
        ("counted twice", verdict["doubled"]),
        ("other differences", verdict["different"] + verdict["dead"] + sum(verdict["violations"].values())),
        ("recovery, median / p99 / worst", " / ".join(f"{everyone[n]} s" for n in ("median", "p99", "worst"))),
        ("memory, end to start", _ratios(result["memory"])),
        ("descriptors, end to start", _ratios(result["descriptors"])),
    ]
    lines = ["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([f"`{result['command']}`", "", *lines, ""])


def _ratios(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {each['ratio']:.2f}" for name, each in found.items() if name != "simulator")


def _spread(times: Sequence[float]) -> dict[str, float] | None:
    if not times:
        return None
    hundredths = quantiles(times, n=100, method="inclusive") if len(times) > 1 else [times[0]] * 99
    return {"median": round(median(times), 2), "p99": round(hundredths[98], 2), "worst": round(max(times), 2)}


def _arguments(options: Options) -> list[str]:
    return [f"--{name} {value}" for name, value in asdict(options).items() if name != "folder"]


async def soak(options: Options) -> dict[str, Any]:
    """Run a soak and return its figures."""
    folder = fresh_folder(options.folder)
    print(f"seed {options.seed}, folder {folder}", flush=True)
    async with (
        KafkaCluster(
            options.nodes, folder / "kafka", properties=UNHURRIED, heap_mb=384, start_timeout=300.0
        ) as cluster,
        httpx.AsyncClient(timeout=30.0) as client,
    ):
        system = await System.make(cluster, folder, client, options.settings)
        try:
            return await Soak(options, cluster, system).run()
        finally:
            await system.stack.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=Options.minutes, help="minutes under load")
    parser.add_argument("--seed", type=int, default=Options.seed, help="of the scenario and the kills")
    parser.add_argument("--rate", type=float, default=Options.rate, help="events a second")
    parser.add_argument("--pause", type=float, default=Options.pause, help="mean seconds from a recovery to a kill")
    parser.add_argument(
        "--nodes", type=int, default=Options.nodes, choices=(1, 3), help="Kafka nodes; 3 are killed too"
    )
    parser.add_argument("--folder", type=Path, default=Options.folder, help="for data, logs and the result")
    options = Options(**vars(parser.parse_args()))
    result = asyncio.run(soak(options))
    (options.folder / "result.json").write_text(json.dumps(result, indent=1, default=str), encoding="utf-8")
    (options.folder / "result.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))
    if not result["good"]:
        wrong = {name: result[name] for name in ("crashes", "unrecovered", "memory", "descriptors")}
        print(f"NOT GOOD (seed {options.seed}): {json.dumps({**result['verdict'], **wrong}, indent=1, default=str)}")
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
