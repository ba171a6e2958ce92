"""The join against peers: all work through the same backlog, one after the other."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.bars import FAUST, LOOP, OURS, QUIX
from benchmarks.events import TOPICS, events
from benchmarks.figures import Run, WrongResult
from benchmarks.kafka import Ends, Kafka
from benchmarks.processes import HOST, Contestant, ours, peer, running
from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.domain import Arrival, OrderKey, advance
from pipeline.engine import Outgoing
from pipeline.run.stack import fresh_folder

WARM = 0.2
"""Share of the outputs that is not timed: start, first fetches, caches."""

POLL = 0.1
"""Seconds between two looks."""

STUCK = 120.0
"""Seconds without any progress after which a contestant has failed."""

PEERS: Mapping[str, str] = {FAUST: "faust_join", QUIX: "quix_join", LOOP: "loop_join"}


class _Look(NamedTuple):
    at: float
    outputs: int
    cpu: float
    memory: int


class Join:
    """One backlog of events, joined by each contestant in a consumer group of its own."""

    name = "join"
    contestants: Sequence[str] = (OURS, FAUST, QUIX, LOOP)

    def __init__(self, kafka: Kafka, folder: Path, orders: int) -> None:
        self._kafka = kafka
        self._folder = folder
        self._orders = orders
        self._events = 0
        self._expected: dict[bytes, bytes] = {}

    async def prepare(self) -> None:
        """Put the backlog on the event topics, and compute what has to come of it."""
        await self._kafka.make_topics()
        await self._kafka.empty(*TOPICS)
        backlog, arrivals = self._backlog()
        for topic, records in backlog.items():
            self._events += await self._kafka.fill(topic, records)
        for name, found in arrivals.items():
            record = advance(OrderKey.parse(name), None, found).record
            assert record is not None
            self._expected[name.encode()] = record

    def _backlog(self) -> tuple[dict[str, list[Outgoing]], dict[str, list[Arrival]]]:
        backlog: dict[str, list[Outgoing]] = defaultdict(list)
        arrivals: dict[str, list[Arrival]] = defaultdict(list)
        now = time.time_ns() // 1000
        for number, event in enumerate(events(self._orders)):
            identity = str(uuid.UUID(int=number))
            backlog[event.topic].append(event.record(identity, now + number))
            arrivals[event.key].append(Arrival(event.type, event.body, identity, now + number))
        return backlog, arrivals

    async def run(self, contestant: str, repetition: int) -> Run:
        """Join everything with one contestant.

        Raises:
            WrongResult, DidNotRun
        """
        group = f"bench-join-{uuid.uuid4().hex[:8]}"
        if contestant == OURS:
            return await self._run_ours(group, repetition)
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
        command = peer(PEERS[contestant], json.dumps(options))
        try:
            async with running(contestant, command, self._folder, {}) as process:
                return await self._measure(process, contestant, repetition, group, f"{group}.enriched")
        finally:
            shutil.rmtree(self._folder / group, ignore_errors=True)
            await self._kafka.drop(*made, *logs)

    async def _run_ours(self, group: str, repetition: int) -> Run:
        await self._kafka.make_topics((group, topics.WORKER_TABLES))
        state = fresh_folder(self._folder / group)
        (port,) = free_ports(1)
        environment = {
            **self._kafka.environment,
            "NORCE_WORKER_GROUP": group,
            "NORCE_WORKER_DATA_DIR": str(state),
            "NORCE_WORKER_HOST": HOST,
            "NORCE_WORKER_PORT": str(port),
        }
        try:
            async with running(OURS, ours("worker"), self._folder, environment) as process:
                return await self._measure(process, OURS, repetition, group, topics.ORDERS_ENRICHED)
        finally:
            shutil.rmtree(state, ignore_errors=True)
            await self._kafka.drop(*[topics.changelog(group, table) for table in topics.WORKER_TABLES])

    async def _measure(self, process: Contestant, contestant: str, repetition: int, group: str, output: str) -> Run:
        async with self._kafka.watching(group) as watch:
            start = await watch.ends(output)
            before = sum(start.values())
            looks = [_Look(time.monotonic(), 0, process.cpu, process.memory)]
            next_commit = 0.0
            while True:
                await asyncio.sleep(POLL)
                process.check()
                ends = sum((await watch.ends(output)).values())
                looks.append(_Look(time.monotonic(), ends - before, process.cpu, process.memory))
                if looks[-1].at > next_commit:
                    if await watch.committed(*TOPICS) == sum((await watch.ends(*TOPICS)).values()):
                        break
                    next_commit = looks[-1].at + 0.5
                if looks[-1].at - _reached(looks, looks[-1].outputs).at > STUCK:
                    raise WrongResult(f"{contestant} stopped after {looks[-1].outputs} outputs")
        await self._check(contestant, start)
        return self._figures(contestant, repetition, looks)

    def _figures(self, contestant: str, repetition: int, looks: Sequence[_Look]) -> Run:
        total = looks[-1].outputs
        begin, end = _reached(looks, int(total * WARM)), _reached(looks, total)
        share = (end.outputs - begin.outputs) / total
        done = share * self._events
        values = {
            "rate": done / (end.at - begin.at),
            "cpu_us": (end.cpu - begin.cpu) / done * 1e6,
            "memory_mib": max(look.memory for look in looks) / 2**20,
            "outputs_per_event": total / self._events,
        }
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


def _reached(looks: Sequence[_Look], outputs: int) -> _Look:
    return next(look for look in looks if look.outputs >= outputs)
