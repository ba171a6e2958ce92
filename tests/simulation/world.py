"""One simulated history: a scenario, a connector, workers, sinks, and everything that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import count
from typing import Any, cast

from connectors.norce import CallLog
from connectors.simulator.scenario import Scenario, reordered
from connectors.simulator.script import ScriptedEvent
from connectors.webhook.records import RecordFactory
from pipeline import topics
from pipeline.agents.app import AGENTS, sweep, work
from pipeline.agents.join import Join
from pipeline.domain import DEFAULT_ALERTS, DEFAULT_POLICIES, CheckoutUpdate, ConnectUpdate
from pipeline.engine import Outgoing
from pipeline.engine.slices import TopicPartition
from pipeline.events import EVENT_TYPES
from pipeline.sinks.app import _send
from tests.simulation.brokers import PARTITIONS, Brokers, Group, home
from tests.simulation.judge import Judge
from tests.simulation.norce import Norce
from tests.simulation.process import Disk, Process
from tests.simulation.virtual import Chance, Stuck, run

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = 6
WORKER_GROUP = "norce-orders"
SINKS: dict[str, type[ConnectUpdate] | type[CheckoutUpdate]] = {"connect": ConnectUpdate, "checkout": CheckoutUpdate}
SESSION_SECONDS = 10.0
PATIENCE = 2_000.0
"""Virtual seconds in which everything must have come to its end once nothing goes wrong any more."""
JUMP_SECONDS = 600.0
TRACE_SHOWN = 60


class Broken(AssertionError):
    """A promise does not hold; the seed makes it happen again."""

    def __init__(self, seed: int, problem: str, trace: list[str]) -> None:
        self.seed, self.problem = seed, problem
        until = next((place for place, step in enumerate(trace, 1) if " BROKEN " in step), len(trace))
        end = "\n  ".join(trace[max(0, until - TRACE_SHOWN) : until])
        super().__init__(f"seed {seed}: {problem}\nbefore that:\n  {end}\nagain: make simulate ARGS='--seed {seed}'")


@dataclass(frozen=True)
class History:
    """What happened, in numbers; ``fingerprint`` stands for every single step."""

    seed: int
    events: int
    deaths: int
    rebalances: int
    seconds: float
    fingerprint: str


class World:
    """Everything there is. ``calm`` ends the trouble, so that what is left can come to its end."""

    partitions = range(PARTITIONS)

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Chance(seed)
        self.brokers = Brokers()
        self.norce = Norce(self)
        self.calm = False
        self.trace: list[str] = []
        self.deaths = self.rebalances = self.events = 0
        self.wall_offset = 0.0
        self.judge = Judge(self)
        self._lives = count(1)
        self._ids = count(1)
        self._death_rate = self.chance.choice("death rate", (0.0, 0.002, 0.005, 0.01))
        self._slowness = self.chance.choice("slowness", (0.01, 0.05, 0.3))
        self._problem: str | None = None
        self._groups = {name: Group(name) for name in (WORKER_GROUP, *(f"norce-sink-{target}" for target in SINKS))}
        self._disks: dict[str, Disk] = {}
        self._background: set[asyncio.Task[Any]] = set()
        for target in SINKS:
            changelog = f"norce-sink-{target}-sent-changelog"
            self.brokers.appended.append(
                lambda record, target=target, changelog=changelog: (  # type: ignore[misc]
                    self.norce.written_down(target, record) if record.topic == changelog else None
                )
            )

    # -- what the parts ask --------------------------------------------------------------------------------------

    def note(self, step: str) -> None:
        self.trace.append(f"{asyncio.get_running_loop().time():.6f} {step}")

    def fail(self, problem: str, cause: BaseException | None = None) -> None:
        if self._problem is None:
            self._problem = problem if cause is None else f"{problem}: {cause!r}"
            self.note(f"BROKEN {self._problem}")

    def latency(self, label: str) -> float:
        return self.chance.between(label, 0.0, self._slowness)

    def dies(self, label: str) -> bool:
        return not self.calm and self.chance.happens(f"{label} deadly", self._death_rate)

    def wall(self, offset: float) -> int:
        """Microseconds since 1970 on a clock that is off by some seconds."""
        now = EPOCH + timedelta(seconds=asyncio.get_running_loop().time() + offset)
        return int(now.timestamp() * 1_000_000)

    def commits(self, process: Process, tp: TopicPartition, offset: int) -> None:
        place = (process.group.name, tp)
        if offset < self.brokers.committed.get(place, 0):
            self.fail(f"{process.name} commits {offset} of {tp} after {self.brokers.committed[place]}")
        self.judge.committed(process, tp, self.brokers.committed.get(place, 0), offset)
        self.brokers.committed[place] = offset

    def died(self, process: Process) -> None:
        """The group notices after its session, or when the process is there again, whatever is first."""
        self.deaths += 1
        self._do(self._replace(process))

    # -- processes -----------------------------------------------------------------------------------------------

    def _worker(self, name: str) -> Process:
        process = self._process(name, WORKER_GROUP, AGENTS, topics.WORKER_TABLES)
        process.clock_offset = self.chance.between(f"{process.name}/clock", -JUMP_SECONDS, JUMP_SECONDS)
        clock = lambda: self.wall(process.clock_offset)  # noqa: E731
        join = Join(cast(Any, process.tables), DEFAULT_POLICIES, DEFAULT_ALERTS, clock, writer=WORKER_GROUP)

        async def sweeping() -> None:
            while True:
                await asyncio.sleep(self.chance.between(f"{process.name}/sweep", 10.0, 200.0))
                await sweep(process.app, join)

        streams = (work(process.app, join, cast(Any, stream)) for stream in process.streams.values())
        process.start(*streams, sweeping())
        return process

    def _sink(self, target: str, name: str) -> Process:
        process = self._process(name, f"norce-sink-{target}", {target: (topics.UPDATES,)}, topics.SINK_TABLES)

        async def deliver(update: Any, calls: CallLog) -> Any:
            key = f"{update.client_id}:{update.application_id}:{update.client_order_ref}".encode()
            return await self.norce.call(process, target, key, update, calls)

        table, stream = process.tables["sent"], process.streams[target]
        process.start(_send(cast(Any, process.app), cast(Any, SINKS[target]), table, deliver, 2, cast(Any, stream)))
        return process

    def _process(self, name: str, group: str, agents: Any, tables: Any) -> Process:
        disk = self._disks.setdefault(name, Disk())
        return Process(self, f"{name}.{next(self._lives)}", self._groups[group], disk, agents, tables)

    def _begin(self, name: str) -> Process:
        self.note(f"{name} starts")
        role, _, _ = name.partition("-")
        return self._worker(name) if role == "worker" else self._sink(role, name)

    async def _replace(self, dead: Process) -> None:
        name = dead.name.rpartition(".")[0]
        away = self.chance.between(f"{dead.name}/away", 1.5, 2 * SESSION_SECONDS)
        if away > SESSION_SECONDS:
            await asyncio.sleep(SESSION_SECONDS)
            await self._rebalance(dead.group)
            await asyncio.sleep(away - SESSION_SECONDS)
        else:
            await asyncio.sleep(away)
        if self.chance.happens(f"{dead.name}/volume lost", 0.15):
            self.note(f"{name} lost its volume")
            self._disks.pop(name)
        self._begin(name)
        await self._rebalance(dead.group)

    async def _rebalance(self, group: Group) -> None:
        self.rebalances += 1
        await group.rebalance()

    # -- history -------------------------------------------------------------------------------------------------

    async def live(self) -> History:
        names = ["worker-a", "connect-a", "checkout-a"]
        names += [name for name in ("worker-b", "connect-b") if self.chance.happens(name, 0.5)]
        for name in names:
            self._begin(name)
        for group in self._groups.values():
            await self._rebalance(group)
        trouble = [self._do(part) for part in (self._come_and_go(), self._jump(), self._compact())]
        await self._post_all()
        await asyncio.sleep(self.chance.between("trouble goes on", 0.0, 60.0))
        self.calm = True
        for task in trouble:
            task.cancel()
        await self._settle()
        for problem in self.judge.end():
            self.fail(problem)
        self._raise()
        fingerprint = blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()
        return History(
            self.seed, self.events, self.deaths, self.rebalances, asyncio.get_running_loop().time(), fingerprint
        )

    async def _settle(self) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE
        while (behind := self._behind()) or self._background:
            self._raise()
            if asyncio.get_running_loop().time() > end:
                self.fail(f"never finished: {behind}")
            await asyncio.sleep(1.0)

    def _behind(self) -> dict[str, int]:
        read = {WORKER_GROUP: [t for agent in AGENTS.values() for t in agent]}
        read |= {f"norce-sink-{target}": [topics.UPDATES] for target in SINKS}
        tps = [
            (group, TopicPartition(topic, n))
            for group, names in read.items()
            for topic in names
            for n in self.partitions
        ]
        left = {(g, tp): self.brokers.end(tp) - self.brokers.committed.get((g, tp), 0) for g, tp in tps}
        return {f"{group} {tp.topic}/{tp.partition}": lag for (group, tp), lag in left.items() if lag}

    def _raise(self) -> None:
        if self._problem is not None:
            raise Broken(self.seed, self._problem, self.trace)

    def _do(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.fail("the simulation itself failed", task.exception())

    # -- Norce and the connector ---------------------------------------------------------------------------------

    async def _post_all(self) -> None:
        posts = []
        pace = self.chance.choice("pace", (0.02, 0.3, 1.0))
        for event in self._scenario():
            await asyncio.sleep(self.chance.between("next event", 0.0, pace))
            self._raise()
            self.events += 1
            posts.append(self._do(self._post(event)))
        await asyncio.gather(*posts)

    def _scenario(self) -> Iterator[ScriptedEvent]:
        share = self.chance.choice("reordering", (0.0, 0.2, 0.6))
        return reordered(Scenario(self.seed, ORDERS).events(), self.seed, lambda: share)

    async def _post(self, event: ScriptedEvent) -> None:
        """Again and again until it is answered 2xx, and now and then once more; each receipt is a record of its own."""
        label = f"post {event.number}"
        while True:
            fate = self.chance.share(label)
            await asyncio.sleep(self.chance.between(label, 0.0, 1.0))
            if fate < 0.1:  # the connector died before it had Kafka's acknowledgement
                continue
            self._receive(event)
            if fate < 0.2:  # or after it, before its answer
                continue
            if fate > 0.9:
                await asyncio.sleep(self.chance.between(label, 0.0, 200.0))
                self._receive(event)
            return

    def _receive(self, event: ScriptedEvent) -> None:
        spec = EVENT_TYPES[event.event_type]
        receipt = EPOCH + timedelta(microseconds=self.wall(self.wall_offset) - self.wall(0.0))
        receipt += timedelta(seconds=asyncio.get_running_loop().time())
        factory = RecordFactory("/simulation", lambda: f"event-{next(self._ids):06}", lambda: receipt)
        record = factory.event(spec, spec.model.model_validate_json(event.body), event.body)
        key = cast(bytes, record.key)
        self.note(f"accepted {record.id} {event.event_type} {key!r}")
        self.brokers.append(record.topic, home(key), [Outgoing(key, record.value, record.headers)], record.timestamp)

    # -- trouble -------------------------------------------------------------------------------------------------

    async def _come_and_go(self) -> None:
        """Processes that join, leave in good order, or are killed while nothing special happens."""
        for number in count():
            await asyncio.sleep(self.chance.between("come and go", 2.0, 30.0))
            group = self._groups[self.chance.choice("whose", sorted(self._groups))]
            alive = [member for member in group.members if member.alive]
            draw = self.chance.share("what")
            if draw < 0.3:
                role = "worker" if group.name == WORKER_GROUP else group.name.rpartition("-")[2]
                self._begin(f"{role}-{number}")
                await self._rebalance(group)
            elif draw < 0.6 and len(alive) > 1:
                leaving = self.chance.choice("who leaves", alive)
                self.note(f"{leaving.name} leaves")
                await leaving.stop()
                await self._rebalance(group)
            elif alive:
                self.chance.choice("who dies", alive).die("killed")

    async def _jump(self) -> None:
        """Clocks that jump up to ten minutes, back and forth: the connector's, and those of workers."""
        while True:
            await asyncio.sleep(self.chance.between("next jump", 1.0, 60.0))
            self.wall_offset = self.chance.between("connector's clock", -JUMP_SECONDS, JUMP_SECONDS)
            for member in self._groups[WORKER_GROUP].members:
                member.clock_offset = self.chance.between("worker's clock", -JUMP_SECONDS, JUMP_SECONDS)

    async def _compact(self) -> None:
        changelogs = [f"{WORKER_GROUP}-{table}-changelog" for table in topics.WORKER_TABLES]
        changelogs += [f"norce-sink-{target}-sent-changelog" for target in SINKS]
        while True:
            await asyncio.sleep(self.chance.between("next compaction", 1.0, 20.0))
            topic = self.chance.choice("compacted", [*changelogs, *topics.ENRICHED.values()])
            for partition in self.partitions:
                self.brokers.compact(topic, partition)


def simulate(seed: int) -> History:
    """One history. Raises ``Broken`` with the seed where a promise does not hold."""
    world: list[World] = []

    async def live() -> History:
        world.append(World(seed))
        return await world[0].live()

    try:
        return run(live())
    except Stuck:
        raise Broken(seed, f"never comes to an end: {world[0]._behind()}", world[0].trace) from None
