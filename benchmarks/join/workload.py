"""The join against peers: all work through the same backlog, one after the other."""

from __future__ import annotations

import json
import shutil
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.bars import FAUST, LOOP, LOOP_ALONE, OURS, QUIX, STREAMS
from benchmarks.events import TOPICS, backlog
from benchmarks.figures import Run, WrongResult
from benchmarks.join import streams
from benchmarks.join.loop_without_kafka import digest
from benchmarks.kafka import Ends, Kafka
from benchmarks.looks import Looks
from benchmarks.processes import HOST, Contestant, DidNotRun, ours, peer, running
from benchmarks.states import states
from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.domain import Arrival, OrderKey, advance
from pipeline.engine import Outgoing
from pipeline.run.stack import fresh_folder

WARM = 0.2
"""Share of the outputs that is not timed: start, first fetches, caches."""

PEERS: Mapping[str, str] = {FAUST: "faust_join", QUIX: "quix_join", LOOP: "loop_join"}


class Join:
    """One backlog of events, joined by each contestant in a consumer group of its own.

    With ``judged``, only the contestants that a quick run judges.
    """

    name = "join"

    def __init__(self, kafka: Kafka, folder: Path, orders: int, judged: bool = False) -> None:
        self.contestants: Sequence[str] = (OURS, FAUST, QUIX, *(() if judged else (STREAMS,)), LOOP, LOOP_ALONE)
        self._kafka = kafka
        self._folder = folder
        self.orders = orders
        self.events = 0
        self._began = 0
        self._expected: dict[bytes, bytes] = {}

    async def prepare(self) -> None:
        """Put the backlog on the event topics, and compute what has to come of it."""
        await self._kafka.make_topics()
        await self._kafka.empty(*TOPICS)
        found, arrivals = self._backlog()
        for topic, records in found.items():
            self.events += await self._kafka.fill(topic, records)
        for name, events in arrivals.items():
            record = advance(OrderKey.parse(name), None, events).record
            if record is not None:
                self._expected[name.encode()] = record

    def _backlog(self) -> tuple[dict[str, list[Outgoing]], dict[str, list[Arrival]]]:
        records: dict[str, list[Outgoing]] = defaultdict(list)
        arrivals: dict[str, list[Arrival]] = defaultdict(list)
        self._began = time.time_ns() // 1000
        for event, identity, received_at, record in backlog(self.orders, self._began):
            records[event.topic].append(record)
            arrivals[event.key].append(Arrival(event.type, event.body, identity, received_at))
        return records, arrivals

    async def run(self, contestant: str, repetition: int) -> Run:
        """Join everything with one contestant.

        Raises:
            WrongResult, DidNotRun
        """
        if contestant == OURS:
            return await self.run_ours(repetition)
        if contestant == LOOP_ALONE:
            return await self._without_kafka(repetition)
        group = f"bench-join-{uuid.uuid4().hex[:8]}"
        options = {
            "servers": self._kafka.servers,
            "group": group,
            "folder": str(fresh_folder(self._folder / group)),
            "partitions": self._kafka.partitions,
            "output": group,
        }
        made = [f"{group}.{kind}" for kind in ("enriched", "updates", "alerts", "failures")]
        logs = [f"{group}{separator}{table}-changelog" for separator in ".-" for table in ("orders", "alerts")]
        await self._kafka.make(*made)
        await self._kafka.make(*logs, compact=True)
        words = json.dumps(options)
        command = streams.command(words) if contestant == STREAMS else peer(PEERS[contestant], words)
        try:
            async with running(contestant, command, self._folder, {}) as process:
                return await self._measure([process], contestant, repetition, group, f"{group}.enriched")
        finally:
            shutil.rmtree(self._folder / group, ignore_errors=True)
            await self._kafka.drop(*made, *logs)

    async def _without_kafka(self, repetition: int) -> Run:
        options = {"orders": self.orders, "began": self._began, "warm": WARM}
        command = [sys.executable, "-m", "benchmarks.join.loop_without_kafka", json.dumps(options)]
        async with running(LOOP_ALONE, command, self._folder, {}) as process:
            await process.ended()
            try:
                found = json.loads(process.output.splitlines()[-1])
            except (IndexError, ValueError):
                raise DidNotRun(LOOP_ALONE, process.output) from None
        if found.pop("digest") != digest(self._expected):
            raise WrongResult(f"{LOOP_ALONE}: the orders are not what all events together come to")
        return Run(self.name, LOOP_ALONE, repetition, found)

    async def run_ours(self, repetition: int, *, present: int = 0, workers: int = 1) -> Run:
        """The same with our worker, or several, and with orders that its state holds already.

        Raises:
            WrongResult, DidNotRun
        """
        group = f"bench-join-{uuid.uuid4().hex[:8]}"
        await self._kafka.make_topics((group, topics.WORKER_TABLES))
        await self._kafka.fill(topics.changelog(group, "orders"), states(present) if present else ())
        folder = fresh_folder(self._folder / group)
        try:
            async with AsyncExitStack() as stack:
                processes = [
                    await stack.enter_async_context(self._worker(group, folder / str(number), number))
                    for number in range(workers)
                ]
                run = await self._measure(processes, OURS, repetition, group, topics.ORDERS_ENRICHED)
                disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                return replace(run, values={**run.values, "disk_mib": disk / 2**20})
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            await self._kafka.drop(*[topics.changelog(group, table) for table in topics.WORKER_TABLES])

    def _worker(self, group: str, folder: Path, number: int) -> AbstractAsyncContextManager[Contestant]:
        (port,) = free_ports(1)
        environment = {
            **self._kafka.environment,
            "NORCE_WORKER_GROUP": group,
            "NORCE_WORKER_DATA_DIR": str(folder),
            "NORCE_WORKER_HOST": HOST,
            "NORCE_WORKER_PORT": str(port),
        }
        return running(f"{OURS} {number}", ours("worker"), self._folder, environment)

    async def _measure(
        self, processes: Sequence[Contestant], contestant: str, repetition: int, group: str, output: str
    ) -> Run:
        async with self._kafka.watching(group) as watch:
            start = await watch.ends(output)

            async def done() -> bool:
                return await watch.committed(*TOPICS) == sum((await watch.ends(*TOPICS)).values())

            looks = Looks(self._kafka, watch, processes, output)
            await looks.follow(done)
        await self._check(contestant, start)
        values = looks.figures(self.events, WARM)
        values["outputs_per_event"] = looks.looks[-1].outputs / self.events
        return Run(self.name, contestant, repetition, values)

    async def _check(self, contestant: str, start: Ends) -> None:
        """The compacted output has to be exactly what all events together come to, byte for byte."""
        (found,) = (await self._kafka.newest(start)).values()
        wrong = [key for key, value in self._expected.items() if found.get(key) != value]
        if wrong or len(found) != len(self._expected):
            raise WrongResult(
                f"{contestant}: {len(wrong)} of {len(self._expected)} orders are wrong, the first {sorted(wrong)[:1]}; "
                f"{len(found)} were written"
            )
