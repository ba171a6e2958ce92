"""Progress of a contestant, looked at many times a second: how far its output is, and what it has used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.figures import WrongResult
from benchmarks.kafka import Kafka, Watch
from benchmarks.processes import Contestant

POLL = 0.1
"""Seconds between two looks."""

ASK = 0.5
"""Seconds between two questions whether all is done."""

STUCK = 120.0
"""Seconds without any progress after which a contestant has failed."""


class Look(NamedTuple):
    at: float
    outputs: int
    cpu: float
    memory: int
    broker_cpu: float = 0.0


@dataclass
class Looks:
    """All looks at one contestant's output topic."""

    kafka: Kafka
    watch: Watch
    processes: Sequence[Contestant]
    topic: str
    before: int = 0
    looks: list[Look] = field(default_factory=list)

    async def follow(self, is_done: Callable[[], Awaitable[bool]]) -> None:
        """Look until all is done. Raises ``WrongResult`` when nothing moves any more, ``DidNotRun``."""
        self.before = sum((await self.watch.ends(self.topic)).values())
        await self._look()
        moved = asked = time.monotonic()
        while True:
            await asyncio.sleep(POLL)
            for process in self.processes:
                process.check()
            last = self.looks[-1]
            now = await self._look()
            if now.outputs != last.outputs:
                moved = now.at
            if now.at - asked > ASK:
                asked = now.at
                if await is_done():
                    return
            if now.at - moved > STUCK:
                raise WrongResult(f"{self.processes[0].name} stopped after {now.outputs} outputs")

    def figures(self, items: int, warm: float) -> dict[str, float]:
        """Rate and CPU of ``items``, all of which the outputs stand for, without the first share of them."""
        total = self.looks[-1].outputs
        begin, end = reached(self.looks, int(total * warm)), reached(self.looks, total)
        if end.at <= begin.at:
            raise WrongResult(f"{self.processes[0].name} was done between two looks: the size is too small")
        done = (end.outputs - begin.outputs) / total * items
        return {
            "rate": done / (end.at - begin.at),
            "cpu_us": (end.cpu - begin.cpu) / done * 1e6,
            "broker_cpu_us": (end.broker_cpu - begin.broker_cpu) / done * 1e6,
            "memory_mib": max(look.memory for look in self.looks) / 2**20,
        }

    async def _look(self) -> Look:
        outputs = sum((await self.watch.ends(self.topic)).values()) - self.before
        cpu = sum(process.cpu for process in self.processes)
        memory = sum(process.memory for process in self.processes)
        self.looks.append(Look(time.monotonic(), outputs, cpu, memory, self.kafka.cpu))
        return self.looks[-1]


def reached(looks: Sequence[Look], outputs: int) -> Look:
    """The first look at which there were that many."""
    return next(look for look in looks if look.outputs >= outputs)
