"""A process of the pipeline that can die between any two writes, with the engine's own code inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from faust.types import TP

from pipeline.engine import Outgoing, Slice, SliceApp, SliceLedger, SliceTable
from pipeline.engine.consumer import SliceConsumer
from pipeline.engine.recovery import SliceRecovery
from pipeline.engine.slices import TopicPartition
from pipeline.engine.store import SliceStore
from tests.simulation.brokers import Group, Record

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")
Partition = tuple[str, int]
COMMIT_SECONDS = 1.0
DRAIN_SECONDS = 20.0


class Disk:
    """What a process keeps between its lives: table and partition to content, and the changelog offset it reaches."""

    def __init__(self) -> None:
        self.content: dict[Partition, dict[bytes, bytes]] = {}
        self.offsets: dict[Partition, int] = {}


class Process:
    """One life of one process. ``agents`` are the names of its agents with the topics that each reads."""

    def __init__(
        self,
        world: World,
        name: str,
        group: Group,
        disk: Disk,
        agents: Mapping[str, Sequence[str]],
        tables: Iterable[str],
    ) -> None:
        self.world, self.name, self.group, self.disk = world, name, group, disk
        self.alive = True
        self.assignments = 0
        """How often it was given partitions: before each time it gave up those it had."""
        self.clock_offset = 0.0
        self.failure: BaseException | None = None
        self.streams = {agent: Stream() for agent in agents}
        self.routes = {topic: self.streams[agent] for agent, topics in agents.items() for topic in topics}
        self.app = App(self)
        self.tables = {table: Table(self, table) for table in tables}
        self.consumer = Consumer(self)
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- life and death ------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that dies with the process."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if not self.alive:
            task.cancel()
        return task

    def start(self, *work: Coroutine[Any, Any, Any]) -> None:
        for each in (*work, self.consumer.run(), self._commit()):
            self.spawn(each)
        self.group.members.append(self)

    def die(self, where: str) -> None:
        """SIGKILL: nothing that is not on a broker, at Norce or on the disk by now will ever be."""
        if self.alive:
            self.world.note(f"{self.name} dies: {where}")
            self.alive = False
            for task in list(self._tasks):
                task.cancel()
            self.world.died(self)

    async def stop(self) -> None:
        """SIGTERM: finish what is under way, then leave the group."""
        await self.revoke()
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self.alive:
            self.failure = task.exception()
            self.world.fail(f"{self.name} failed", self.failure)

    # -- effects -------------------------------------------------------------------------------------------------

    async def effect(self, what: str, act: Callable[[], T]) -> T:
        """Do something that outlives the process: on the way there and on the way back it may die."""
        label = f"{self.name}/{what}"
        await asyncio.sleep(self.world.latency(label))
        self._perhaps_die(label, "before")
        result = act()
        self.world.note(label)
        self._perhaps_die(label, "after")
        await asyncio.sleep(self.world.latency(label))
        if not self.alive:
            raise asyncio.CancelledError
        return result

    def _perhaps_die(self, label: str, when: str) -> None:
        if self.alive and self.world.dies(label):
            self.die(f"{when} {label}")
        if not self.alive:
            raise asyncio.CancelledError

    # -- group ---------------------------------------------------------------------------------------------------

    async def revoke(self) -> None:
        self.app.rebalancing = True
        self.consumer.pause()
        await self.consumer.drain(self.app.drain_seconds)
        self.consumer.positions.clear()

    async def assign(self, partitions: Sequence[int]) -> None:
        """Restore the tables, read on from the committed offsets."""
        self.assignments += 1
        tables = {TopicPartition(t.changelog_topic_name, n): t for t in self.tables.values() for n in partitions}
        if tables:
            await _Restoring()._read_to_end(cast(Any, _ChangelogReader(self)), cast(Any, tables))
        await self.consumer.begin({TopicPartition(topic, n) for topic in self.routes for n in partitions})
        self.app.rebalancing = False

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if not self.app.rebalancing:
                await self.consumer.commit()


class App(SliceApp):
    """The engine's app without Faust's machinery: batches, turns, writes and settling are its own."""

    rebalancing = True
    crash_reason = None
    consumer_generation_id = 0

    def __init__(self, process: Process) -> None:
        self._process = process
        self.slice_records = 20
        # A worker's writes may outlive its partitions; a sink's drain has to be longer than the grace of its calls.
        short = "updates" not in " ".join(process.routes) and process.world.chance.happens(f"{process.name}/drain", 0.3)
        self.drain_seconds = 0.1 if short else DRAIN_SECONDS
        self.slices = SliceLedger(partition_limit=40)
        self.value_prefixes = {}
        self._turns = _Locks()
        self._partitions = len(process.world.partitions)
        self.conf = cast(Any, SimpleNamespace(id=process.group.name))
        self.monitor = cast(Any, SimpleNamespace(on_tp_commit=lambda offsets: None))

    @property  # type: ignore[misc]
    def producer(self) -> Any:
        return _Producer(self._process)

    def owned(self) -> list[int]:
        return [] if self.rebalancing else sorted({tp.partition for tp in self._process.consumer.positions})


class _Locks(dict[int, asyncio.Lock]):
    def __missing__(self, partition: int) -> asyncio.Lock:
        return self.setdefault(partition, asyncio.Lock())


class _Producer:
    def __init__(self, process: Process) -> None:
        self._process = process

    async def send_records(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """Acknowledged when this returns; more than one batch can be cut apart by a death."""
        world, last = self._process.world, -1
        cut = world.chance.number(f"{self._process.name}/batches/{topic}/{partition}", 1, 2 * len(records))
        for part in (records[:cut], records[cut:]):
            if part:
                last = await self._process.effect(
                    f"send {topic}/{partition}",
                    lambda part=part: world.brokers.append(topic, partition, part),  # type: ignore[misc]
                )
        return last


class Table(SliceTable):
    """A table on a disk that survives the process; publishing to the changelog is the engine's own."""

    def __init__(self, process: Process, name: str) -> None:
        self.app = process.app
        self._process = process
        self.table_name = name

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def changelog_topic_name(self) -> str:
        return f"{self._process.group.name}-{self.table_name}-changelog"

    @property
    def slices(self) -> SliceStore:
        return cast(
            SliceStore, SimpleNamespace(changes_of=lambda records: SliceStore.changes_of(cast(Any, None), records))
        )

    def _place(self, partition: int) -> Partition:
        return self.table_name, partition

    def read(self, partition: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        content = self._process.disk.content.get(self._place(partition), {})
        return {key: content[key] for key in keys if key in content}

    def items_of(self, partition: int, begin: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        content = self._process.disk.content.get(self._place(partition), {})
        return iter(sorted(item for item in content.items() if begin is None or item[0] >= begin))

    def apply(self, partition: int, changes: Mapping[bytes, bytes | None], changelog_offset: int) -> None:
        if not self._process.alive:
            return  # it is dead, and only its last instructions are being taken back
        content = self._process.disk.content.setdefault(self._place(partition), {})
        for key, value in changes.items():
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
        self._process.disk.offsets[self._place(partition)] = changelog_offset

    def persisted_offset(self, tp: Any) -> int | None:
        return self._process.disk.offsets.get(self._place(tp.partition))


class _Restoring(SliceRecovery):
    def __init__(self) -> None:
        pass


class _ChangelogReader:
    """As much of a Kafka client as restoring asks for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._brokers = process.world.brokers
        self._positions: dict[TopicPartition, int] = {}

    def assign(self, tps: Iterable[TopicPartition]) -> None:
        self._positions = {TopicPartition(*tp): 0 for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._brokers.end(tp) for tp in tps}

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[TopicPartition(*tp)] = offset

    def pause(self, *tps: TopicPartition) -> None:
        pass

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[TopicPartition(*tp)]

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for tp in tps:
            most = self._process.world.chance.number(f"{self._process.name}/restore/{tp}", 1, 30)
            records = self._brokers.read(tp, self._positions[tp], most)
            await self._process.effect(f"restore {tp.topic}/{tp.partition}", lambda: None)
            # Compaction may have taken the last offsets away: with nothing left to read the position is the end.
            self._positions[tp] = records[-1].offset + 1 if records else self._brokers.end(tp)
            found[tp] = records
        return found


class Stream:
    """An agent's stream: what its channel holds, one slice after the other."""

    def __init__(self) -> None:
        self.channel = SimpleNamespace(queue=asyncio.Queue())

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Slice:
        return cast(Slice, (await self.channel.queue.get()).value)


class Consumer(SliceConsumer):
    """The engine's consumer on modelled brokers: how it fetches, drains and commits is its own."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._brokers = process.world.brokers
        self.app = cast(Any, process.app)
        self.ledger = process.app.slices
        self.skipped = {}
        self.end_offsets = {}
        self._rewound = {}
        self._known_until = {}
        self._committed_offset = {}
        self.positions: dict[TopicPartition, int] = {}
        self._flow = asyncio.Event()
        self._suspended = asyncio.Event()
        self._suspended.set()

    @property
    def flow_active(self) -> bool:  # type: ignore[override]
        return self._flow.is_set()

    @property
    def can_resume_flow(self) -> Any:  # type: ignore[override]
        return self._flow.wait()

    @property
    def suspend_flow(self) -> Any:  # type: ignore[override]
        return self._suspended

    async def run(self) -> None:
        while True:
            await self._fetch()

    def pause(self) -> None:
        self._flow.clear()
        self._suspended.set()

    async def begin(self, tps: set[TopicPartition]) -> None:
        """As ``perform_seek``: from the committed offsets, said to the ledger before a seek."""
        group = self._process.group.name
        start = {tp: self._brokers.committed.get((group, tp), 0) for tp in tps}
        self._committed_offset = {TP(*tp): offset for tp, offset in start.items() if offset}
        self.positions = dict(start)
        self.ledger.expect(start)
        self._rewound.clear()
        self._known_until.clear()
        self._suspended.clear()
        self._flow.set()

    async def wait(self, what: Any) -> Any:  # type: ignore[override]
        return await what

    async def wait_first(self, delivery: Any, suspended: Any) -> Any:  # type: ignore[override]
        suspended.close()
        return await delivery

    def assignment(self) -> Any:
        return {TP(*tp) for tp in self.positions}

    def _get_active_partitions(self) -> Any:
        return sorted(self.assignment())

    def highwater(self, tp: Any) -> int:
        return self._brokers.end(tp)

    async def seek_wait(self, partitions: Mapping[Any, int]) -> None:
        self.positions.update({TopicPartition(*tp): offset for tp, offset in partitions.items()})

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109  the engine's own
        """Some of what there is, a moment after it is there; empty when the assignment changed meanwhile."""
        chance, name = self._process.world.chance, self._process.name
        arrived = self._brokers.arrived
        waiting = [
            tp for tp in sorted(active_partitions) if self.positions[TopicPartition(*tp)] < self._brokers.end(tp)
        ]
        if not waiting:
            events = [asyncio.ensure_future(arrived.wait()), asyncio.ensure_future(self._suspended.wait())]
            try:
                await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for event in events:
                    event.cancel()
            return {}
        await asyncio.sleep(chance.between(f"{name}/fetch", 0.01, 0.5))
        found = {}
        for tp in waiting:
            place = TopicPartition(*tp)
            if place in self.positions and chance.happens(f"{name}/fetch {tp}", 0.7):
                records = self._brokers.read(place, self.positions[place], chance.number(f"{name}/slice {tp}", 1, 12))
                # Compaction may have taken the last ones away.
                self.positions[place] = records[-1].offset + 1 if records else self._brokers.end(place)
                if records:
                    found[tp] = records
        await asyncio.sleep(chance.between(f"{name}/fetched", 0.0, 0.1))
        return found

    async def callback(self, message: Any) -> None:
        self._process.routes[message.topic].channel.queue.put_nowait(message)

    def _should_commit(self, tp: Any, offset: int) -> bool:
        return offset > (self._committed_offset.get(tp) or 0)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        tps = list(self._filter_tps_with_pending_acks())
        return await self._commit_offsets(self._filter_committable_offsets(tps))

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        process = self._process

        def commit() -> bool:
            # A broker takes offsets only from whom it gave the partition to.
            if any(process.group.owners.get(tp.partition) is not process for tp in offsets):
                return False
            for tp, offset in offsets.items():
                process.world.commits(process, TopicPartition(*tp), offset)
            return True

        return await process.effect("commit", commit)
