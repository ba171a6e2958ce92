"""After the volume is lost: how fast the worker has its orders again, from the changelog and from the events."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bars import REBUILD, RESTORE
from benchmarks.figures import Run, WrongResult
from benchmarks.join.workload import Join
from benchmarks.kafka import Kafka
from benchmarks.processes import HOST, Contestant, ours, running
from benchmarks.states import states
from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.run.stack import fresh_folder

_RESTORED = re.compile(r"state restored.*?records=(\d+).*?seconds=([\d.]+)")


class Recovery:
    """Orders a second: restored from the changelog, and rebuilt from the event topics.

    Rebuilding is the join over a backlog, so it is also the highest rate that can be live: no worker joins faster.
    """

    name = "recovery"
    contestants: Sequence[str] = (RESTORE, REBUILD)

    def __init__(self, kafka: Kafka, folder: Path, restored: int, orders: int) -> None:
        self._kafka = kafka
        self._folder = folder
        self._restored = restored
        self._group = f"bench-restore-{uuid.uuid4().hex[:8]}"
        self._join = Join(kafka, folder, orders)

    async def prepare(self) -> None:
        """Fill a changelog with that many orders."""
        await self._kafka.make_topics((self._group, topics.WORKER_TABLES))
        await self._kafka.fill(topics.changelog(self._group, "orders"), states(self._restored))
        await self._join.prepare()

    async def run(self, contestant: str, repetition: int) -> Run:
        """Raises ``WrongResult`` or ``DidNotRun``."""
        if contestant == RESTORE:
            return Run(self.name, contestant, repetition, await self._restore())
        run = await self._join.run_ours(repetition)
        share = self._join.orders / self._join.events
        values = {"rate": run.values["rate"] * share, "cpu_us": run.values["cpu_us"] / share}
        return Run(self.name, contestant, repetition, values)

    async def _restore(self) -> dict[str, float]:
        state = fresh_folder(self._folder / self._group)
        (port,) = free_ports(1)
        environment = {
            **self._kafka.environment,
            "NORCE_LOG_LEVEL": "info",
            "NORCE_WORKER_GROUP": self._group,
            "NORCE_WORKER_DATA_DIR": str(state),
            "NORCE_WORKER_HOST": HOST,
            "NORCE_WORKER_PORT": str(port),
        }
        try:
            async with running("restore", ours("worker"), self._folder, environment) as process:
                await process.until_ready(f"http://{HOST}:{port}/readyz")
                return self._figures(process)
        finally:
            shutil.rmtree(state, ignore_errors=True)

    def _figures(self, process: Contestant) -> dict[str, float]:
        found = _RESTORED.search(process.output)
        if found is None or int(found[1]) != self._restored:
            raise WrongResult(f"{self._restored} orders were to be restored; the log says {found and found[0]}")
        rate = self._restored / float(found[2])
        return {"rate": rate, "cpu_us": process.cpu / self._restored * 1e6, "memory_mib": process.memory / 2**20}
