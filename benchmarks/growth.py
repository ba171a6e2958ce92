"""Throughput and memory as orders and workers grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Run
from benchmarks.join.workload import Join
from benchmarks.kafka import Kafka

PARTITIONS = (4, 12, 48)


class Growth:
    """The join of one backlog on top of ever more orders, whose state is in the changelog and restored first."""

    name = "growth"

    def __init__(self, kafka: Kafka, folder: Path, orders: int, present: Sequence[int]) -> None:
        self.contestants: Sequence[str] = [f"{count:,} orders" for count in present]
        self._present = dict(zip(self.contestants, present, strict=True))
        self._join = Join(kafka, folder, orders)

    async def prepare(self) -> None:
        """The backlog; the orders that are there already are made for each run."""
        await self._join.prepare()

    async def run(self, contestant: str, repetition: int) -> Run:
        """Raises ``WrongResult`` or ``DidNotRun``."""
        present = self._present[contestant]
        run = await self._join.run_ours(repetition, present=present)
        values = dict(run.values)
        held = present + self._join.orders
        values["disk_bytes_per_order"] = values["disk_mib"] * 2**20 / held
        values["memory_bytes_per_order"] = values["memory_mib"] * 2**20 / held
        return Run(self.name, contestant, repetition, values)


class Partitions:
    """The join of one backlog by one worker, from topics of more and more partitions. Nothing can be measured after it
    on the same topics.
    """

    name = "growth/partitions"

    def __init__(self, kafka: Kafka, folder: Path, orders: int) -> None:
        self._counts = {f"{count} partitions": count for count in PARTITIONS}
        self.contestants: Sequence[str] = list(self._counts)
        self._kafka = kafka
        self._folder = folder
        self._orders = orders

    async def prepare(self) -> None:
        """Nothing: topics and backlog are made for each run."""

    async def run(self, contestant: str, repetition: int) -> Run:
        """Raises ``WrongResult`` or ``DidNotRun``."""
        join = Join(await self._kafka.laid_out_anew(self._counts[contestant]), self._folder, self._orders)
        await join.prepare()
        run = await join.run_ours(repetition)
        return replace(run, workload=self.name, contestant=contestant)


class Workers:
    """The join of one backlog by more workers of one group."""

    name = "growth/workers"
    contestants: Sequence[str] = ("1 worker", "2 workers")

    def __init__(self, kafka: Kafka, folder: Path, orders: int) -> None:
        self._join = Join(kafka, folder, orders)

    async def prepare(self) -> None:
        await self._join.prepare()

    async def run(self, contestant: str, repetition: int) -> Run:
        """Raises ``WrongResult`` or ``DidNotRun``."""
        run = await self._join.run_ours(repetition, workers=int(contestant.split()[0]))
        return replace(run, workload=self.name, contestant=contestant)
