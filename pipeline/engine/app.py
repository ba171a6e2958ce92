"""A Faust app whose agents work on slices."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import faust
from aiokafka.partitioner import DefaultPartitioner
from faust.topics import Topic
from faust.types import EventT, Message, StreamT
from faust.types.auth import CredentialsT
from mode import CrashingSupervisor
from yarl import URL

from pipeline.engine.consumer import SliceConsumer, SliceTransport
from pipeline.engine.producer import SliceProducer
from pipeline.engine.recovery import SliceTableManager
from pipeline.engine.slices import Slice, SliceLedger, StaleSlices
from pipeline.engine.table import SliceTable
from pipeline.outgoing import Outgoing

_PARTITIONER = DefaultPartitioner()


class SliceTopic(Topic):
    """A topic whose messages are slices: agents decode records themselves, where a bad one can be handled."""

    def _compile_decode(self) -> None:
        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            return self._create_event(None, message.value, None, message=message)

        self.decode = decode  # type: ignore[method-assign]


@dataclass
class Step:
    """What follows from the slices of one partition: records to send and changes of tables.

    ``beforehand`` is changed before anything is sent, for what has to be known of an output that may or may not have
    been sent when the worker died. Work that follows from events seldom needs it: they are read again.
    ``outputs`` go to the partition with the same number, ``elsewhere`` to the one that belongs to their own key.
    ``afterwards`` is called once all of it is written, for what may not be counted before.
    """

    beforehand: dict[SliceTable, dict[bytes, bytes | None]] = field(default_factory=dict)
    outputs: dict[str, list[Outgoing]] = field(default_factory=dict)
    elsewhere: dict[str, list[Outgoing]] = field(default_factory=dict)
    changes: dict[SliceTable, dict[bytes, bytes | None]] = field(default_factory=dict)
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def send(self, topic: str, record: Outgoing) -> None:
        self.outputs.setdefault(topic, []).append(record)

    def send_elsewhere(self, topic: str, record: Outgoing) -> None:
        self.elsewhere.setdefault(topic, []).append(record)

    def change_beforehand(self, table: SliceTable, key: bytes, value: bytes | None) -> None:
        self.beforehand.setdefault(table, {})[key] = value

    def change(self, table: SliceTable, key: bytes, value: bytes | None) -> None:
        self.changes.setdefault(table, {})[key] = value

    def add(self, other: Step) -> None:
        """Take in what follows from a part of the work."""
        for sent, more in ((self.outputs, other.outputs), (self.elsewhere, other.elsewhere)):
            for topic, records in more.items():
                sent.setdefault(topic, []).extend(records)
        for mine, theirs in ((self.beforehand, other.beforehand), (self.changes, other.changes)):
            for table, changes in theirs.items():
                mine.setdefault(table, {}).update(changes)


class SliceApp(faust.App):
    """Faust with partition slices, awaited writes and offsets that never pass unfinished work.

    Arguments:
        id: consumer group, and prefix of the changelog topics.
        bootstrap_servers: brokers as host:port, comma separated.
        security: how to prove who one is and encrypt, as arguments of aiokafka; nothing for plain connections.
        data_dir: folder of the RocksDB state.
        partitions: partitions of the topics that meet in one table.
        slice_records: most records that are folded and committed as one step.
        drain_seconds: seconds that work under way gets at a stop or rebalance; below the rebalance timeout.
        commit_seconds: seconds between two commits.
        instance_id: static member id of this worker, so that its restart does not wait for its session to expire.
    """

    def __init__(
        self,
        id: str,
        *,
        bootstrap_servers: str,
        security: Mapping[str, Any] | None = None,
        data_dir: str,
        partitions: int,
        slice_records: int = 2000,
        drain_seconds: float = 20.0,
        commit_seconds: float = 1.0,
        instance_id: str | None = None,
        **options: Any,
    ) -> None:
        self.slice_records = slice_records
        self.drain_seconds = drain_seconds
        self.slices = SliceLedger(partition_limit=2 * slice_records)
        self._partitions = partitions
        self._turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.value_prefixes: Mapping[str, bytes] = {}
        self.prefixed_content_type = b"application/octet-stream"
        """What goes before the values of a topic's records, such as the id of their schema."""
        brokers = [URL(f"kafka://{server.strip()}") for server in bootstrap_servers.split(",")]
        super().__init__(
            id,
            broker=brokers,
            broker_credentials=_credentials(security or {}),
            datadir=data_dir,
            store="memory://",  # unused: SliceTable brings its own store
            topic_partitions=partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            web_enabled=False,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            broker_commit_interval=commit_seconds,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=2.0,
            broker_request_timeout=30.0,
            broker_rebalance_timeout=60.0,
            broker_max_poll_records=slice_records,
            # A sink may wait for days for Norce to come back; whether a worker is stuck is for its probe to say.
            broker_max_poll_interval=7 * 24 * 3600.0,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance_id,
            # A restarted agent, Faust's default, would go on after the slice that failed and never finish it.
            agent_supervisor=CrashingSupervisor,
            worker_redirect_stdouts=False,
            Table=SliceTable,
            TableManager=SliceTableManager,
            Topic=SliceTopic,
            **options,
        )

    def _new_transport(self) -> SliceTransport:
        return SliceTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> SliceTransport:
        return SliceTransport(self.conf.broker_producer, self)

    @property
    def slice_consumer(self) -> SliceConsumer:
        return cast(SliceConsumer, self.consumer)

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Called by Faust when partitions are about to be given up, at a rebalance and at a stop."""
        await cast(SliceConsumer, consumer).drain(self.drain_seconds)

    async def batches(self, stream: StreamT[Any]) -> AsyncIterator[list[Slice]]:
        """Slices to work on: all that wait, up to about ``slice_records`` records, never waiting for more.

        The slices given out hold the committed offset back until :meth:`settle` or ``slices.finish``.
        """
        queue = cast(Any, stream).channel.queue
        async for first in stream:
            waiting = [cast(Slice, first)]
            records = len(waiting[0].records)
            while records < self.slice_records and not queue.empty():
                piece = cast(Slice, queue.get_nowait().value)
                waiting.append(piece)
                records += len(piece.records)
            fresh = self.slices.begin(waiting)
            if fresh:
                yield fresh

    def turn(self, partition: int) -> asyncio.Lock:
        """Hold it from reading tables of a partition to writing them where several agents or timers share a table.

        It keeps what they read true until they write, and the changelog offsets of the table in order.
        """
        return self._turns[partition]

    def owned(self) -> list[int]:
        """Numbers of the partitions whose tables are this worker's to change; none while they are being assigned."""
        if self._consumer is None or self.should_stop or self.rebalancing or not self.tables.actives_ready:
            return []
        return sorted({tp.partition for tp in self.slice_consumer.assignment()})

    async def settle(self, slices: Collection[Slice], steps: Mapping[int, Step]) -> bool:
        """Make everything that follows from the slices durable and finish them, which lets their offset be committed.

        Returns:
            ``False`` when the partitions were given up meanwhile; then whatever is left is not written.
        """
        written = await self.write(slices, steps)
        if written:
            self.slices.finish(slices)
        return written

    async def write(self, slices: Collection[Slice], steps: Mapping[int, Step]) -> bool:
        """Make a part of what follows from the slices durable, in the order that loses nothing.

        1. what has to be known beforehand is written, as the state below;
        2. outputs are acknowledged: were the state first, a crash between the two would swallow the output, because
           the event, seen again, would change nothing;
        3. changelog records are acknowledged;
        4. the local state is written together with the changelog offset.

        Returns:
            ``False`` when the partitions were given up meanwhile; then whatever is left is not written.
        """
        stale = False
        try:
            async with asyncio.TaskGroup() as group:
                for partition, step in steps.items():
                    group.create_task(self._write_partition(slices, partition, step))
        except* StaleSlices:
            stale = True
        return not stale

    async def _write_partition(self, slices: Collection[Slice], partition: int, step: Step) -> None:
        await self._store(slices, partition, step.beforehand)
        self.slices.writable(slices)
        await self._send(partition, step)
        await self._store(slices, partition, step.changes)
        for call in step.afterwards:
            call()

    async def _store(
        self, slices: Collection[Slice], partition: int, tables: Mapping[SliceTable, Mapping[bytes, bytes | None]]
    ) -> None:
        for table, changes in tables.items():
            self.slices.writable(slices)
            offset = await table.publish(partition, changes)
            self.slices.writable(slices)
            table.apply(partition, changes, offset)

    async def _send(self, partition: int, step: Step) -> None:
        """Send to all topics at once: each more that is waited for in turn would cost a round trip."""
        producer = cast(SliceProducer, self.producer)
        async with asyncio.TaskGroup() as group:
            for topic, records in step.outputs.items():
                group.create_task(producer.send_records(topic, partition, self._prefixed(topic, records)))
            for topic, records in step.elsewhere.items():
                for home, found in self._by_home(self._prefixed(topic, records)).items():
                    group.create_task(producer.send_records(topic, home, found))

    def _prefixed(self, topic: str, records: list[Outgoing]) -> list[Outgoing]:
        start = self.value_prefixes.get(topic)
        if start is None:
            return records
        return [record if record.value is None else self._with_prefix(record, start) for record in records]

    def _with_prefix(self, record: Outgoing, start: bytes) -> Outgoing:
        """A prefixed value is not of the media type any more that it had before."""
        headers = tuple(
            (name, self.prefixed_content_type if name == "content-type" else value) for name, value in record.headers
        )
        return record._replace(value=start + cast(bytes, record.value), headers=headers)

    def _by_home(self, records: Iterable[Outgoing]) -> dict[int, list[Outgoing]]:
        """The records by the partition that every Kafka client puts their key into."""
        homes: dict[int, list[Outgoing]] = defaultdict(list)
        for record in records:
            homes[_PARTITIONER(record.key, range(self._partitions), ())].append(record)
        return homes


def _credentials(security: Mapping[str, Any]) -> CredentialsT | None:
    """Arguments of aiokafka as Faust wants them, which turns them back into the same arguments."""
    if not security:
        return None
    if "sasl_mechanism" not in security:
        return faust.SSLCredentials(security["ssl_context"])
    return faust.SASLCredentials(
        username=security["sasl_plain_username"],
        password=security["sasl_plain_password"],
        ssl_context=security["ssl_context"],
        mechanism=security["sasl_mechanism"],
    )
