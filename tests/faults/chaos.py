"""Random kills of a running pipeline, drawn from one seed, and how long each took to be made good.

The seed decides who is killed, in which order and after which pauses. When exactly a kill meets which record is up to
the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

import httpx
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.broker import BrokerUnavailable, KafkaCluster
from pipeline.run.stack import PROCESSES, Stack, StartFailed
from tests.support.kafka import admin, consumer

AGAIN = 0.2
"""Share of kills after which the process is killed a second time while it starts."""
SEVERAL = ((0.75, 1), (0.95, 2), (1.0, 99))
"""How many are killed at the same moment: a draw below the first number means so many."""
READY_SECONDS = 180.0
SETTLE_SECONDS = 300.0
_LOOK = 0.1


@dataclass
class Kill:
    """One kill, and the seconds from it until the process answered ready, and until it had caught up.

    Caught up: it has committed everything that was on its topics when it got ready; for a broker, every partition has
    all its replicas; for the connector, it is ready.
    """

    process: str
    at: float
    again: bool = False
    ready: float | None = None
    recovered: float | None = None
    error: str | None = None


@dataclass
class Chaos:
    """Kills processes of a stack until told to stop, one round after the other."""

    stack: Stack
    cluster: KafkaCluster
    client: httpx.AsyncClient
    seed: int
    pause: float
    """Mean seconds between the end of one round and the next kill."""
    only: tuple[str, ...] = ()
    """Who is killed; everybody when it is empty."""
    kills: list[Kill] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """Processes that are meant to be away just now."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._began = time.monotonic()

    @property
    def targets(self) -> list[str]:
        if self.only:
            return list(self.only)
        names = [name for name in PROCESSES if name != "simulator" and name in self.stack.processes]
        return [*names, "broker"] if self.cluster.replicas >= 3 else names

    async def run(self, until: float) -> None:
        """Kill and repair until the monotonic time ``until``, and finish the round under way."""
        while (left := until - time.monotonic()) > 0:
            pause = min(self._random.expovariate(1 / self.pause), 4 * self.pause)
            await asyncio.sleep(min(pause, left))
            if time.monotonic() < until:
                await self.round()

    async def round(self) -> None:
        """Kill one or several at once, start them again and wait until all is good."""
        draw = self._random.random()
        count = next(number for share, number in SEVERAL if draw <= share)
        chosen = self._random.sample(self.targets, min(count, len(self.targets)))
        plans = [(name, self._random.random() < AGAIN, self._random.uniform(0.2, 4.0)) for name in chosen]
        node = self._random.randint(1, 3)
        await asyncio.gather(*(self._strike(name, again, delay, node) for name, again, delay in plans))

    async def _strike(self, name: str, again: bool, delay: float, node: int) -> None:
        killed = time.monotonic()
        kill = Kill(name, round(killed - self._began, 1), again and name != "broker")
        self.kills.append(kill)
        try:
            await (self._break_node(kill, node, delay) if name == "broker" else self._break(kill, delay))
        except (StartFailed, BrokerUnavailable, TimeoutError) as error:
            kill.error = f"{type(error).__name__}: {error}"
        else:
            kill.recovered = _since(killed)

    async def _break_node(self, kill: Kill, node: int, delay: float) -> None:
        killed = time.monotonic()
        await self.cluster.kill_node(node)
        await asyncio.sleep(delay)
        await self.cluster.start_node(node)
        kill.ready = _since(killed)
        await self.cluster.repair()

    async def _break(self, kill: Kill, delay: float) -> None:
        name, killed = kill.process, time.monotonic()
        self.down.add(name)
        try:
            await self.stack.processes[name].kill()
            if kill.again:
                await self._kill_while_it_starts(name, delay)
            await start(self.stack, name)
        finally:
            self.down.discard(name)
        kill.ready = _since(killed)
        await caught_up(self.stack, name)

    async def _kill_while_it_starts(self, name: str, delay: float) -> None:
        starting = asyncio.create_task(self.stack.start(name))
        await asyncio.sleep(delay)
        await self.stack.processes[name].kill()
        await asyncio.wait([starting])
        starting.exception()  # it may have said StartFailed, which is no news

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(kill) for kill in self.kills]


async def start(stack: Stack, name: str, seconds: float = READY_SECONDS) -> None:
    """Start a process, however long the machine takes; a process that ends while it starts is a failure."""
    deadline = time.monotonic() + seconds
    try:
        await stack.start(name)
    except StartFailed:
        process = stack.processes[name]
        while process.returncode is None and time.monotonic() < deadline:
            try:
                async with httpx.AsyncClient(timeout=2.0) as client:
                    if (await client.get(f"{stack.url(name)}/readyz")).is_success:
                        return
            except httpx.TransportError:
                pass
            await asyncio.sleep(_LOOK)
        raise


async def caught_up(stack: Stack, name: str, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until a process has committed everything that is on its topics now; one without a group has nothing to do.

    Read from the brokers, not from what the process says of itself.
    """
    group = group_of(stack, name)
    if group is None:
        return
    async with asyncio.timeout(seconds):
        ends: Mapping[TopicPartition, int] | None = None
        while True:
            try:
                async with admin(stack.kafka.bootstrap_servers) as client:
                    committed = await _committed(client, group)
                    if ends is None:
                        ends = await _ends(stack.kafka.bootstrap_servers, list(committed))
                    if all(committed.get(tp, 0) >= end for tp, end in ends.items()):
                        return
            except (KafkaError, OSError):
                pass  # a broker is away just now
            await asyncio.sleep(_LOOK)


def group_of(stack: Stack, name: str) -> str | None:
    """The consumer group of a process."""
    settings = PROCESSES[name]
    if "group" not in settings.model_fields:
        return None
    return stack.environment.get(settings.variable("group"), str(settings.model_fields["group"].default))


async def _committed(client: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    offsets = await client.list_consumer_group_offsets(group)
    return {tp: max(0, each.offset) for tp, each in offsets.items()}


async def _ends(servers: str, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    if not partitions:
        return {}
    async with consumer(servers) as reader:
        found: Mapping[TopicPartition, int] = await reader.end_offsets(partitions)
    return found


def _since(moment: float) -> float:
    return round(time.monotonic() - moment, 3)
