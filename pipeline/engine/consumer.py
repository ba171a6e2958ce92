"""The consumer that hands whole partition slices to agents.

Answers defects of plain Faust's consumer: four tasks, a lock and a future for every single event; a fetch loop that
sleeps a whole second when buffers are full; records that a rebalance took out of the queue without ever being read
again while no offset was committed yet; offsets of a failed commit remembered as committed; a worker that ends because
a rebalance came just before a commit; silence when the broker had already deleted records that were never read; and a
worker that waits for ever, without a group, when the client's task that joins it ended, as it does when a broker that
is just being registered lists no brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import structlog
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode import Service

from pipeline.engine.errors import GroupLost
from pipeline.engine.producer import SliceProducer
from pipeline.engine.slices import Slice, SliceLedger, TopicPartition

log = structlog.get_logger(__name__)

#: Seconds one fetch waits for the first record.
FETCH_SECONDS = 1.0
#: Milliseconds a broker may hold back an answer for want of records.
FETCH_MAX_WAIT_MS = 250
#: Seconds between two looks whether the client still takes part in the group.
GROUP_WATCH_SECONDS = 1.0


class SliceConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a fetch that does not hold up everything else."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes this at 1.5 s, and a seek or a position has to wait for a fetch that is under way: with it every
        # start and every rebalance takes that long even when there is nothing to read.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        owned = self.assignment()
        # A rebalance may have come since another thread looked what is owned. Faust asks the client to commit nothing
        # then, which it takes for a mistake, and ends the worker.
        return not owned.isdisjoint(offsets) and await super()._commit(offsets)

    def ended(self) -> asyncio.Task[Any] | None:
        """The client's task that keeps it in the group, once it is over."""
        coordinator = self._consumer and self._consumer._coordinator
        task = getattr(coordinator, "_coordination_task", None)
        return task if task is not None and task.done() else None


class SliceConsumer(driver.Consumer):
    """Fetches, cuts the fetch into slices, and commits what the ledger says is finished."""

    #: Records that the broker no longer had when they were to be read, by partition.
    skipped: dict[TopicPartition, int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger: SliceLedger = cast(Any, self.app).slices
        self.skipped = {}
        self.end_offsets: dict[TopicPartition, int] = {}
        self._rewound: dict[TopicPartition, int] = {}
        self._known_until: dict[TopicPartition, int] = {}

    def _new_consumer_thread(self) -> SliceConsumerThread:
        return SliceConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_group(self) -> None:
        """Raises ``GroupLost``, which ends the worker."""
        while not self.should_stop:
            await self.sleep(GROUP_WATCH_SECONDS)
            thread: SliceConsumerThread | None = cast(Any, self._thread)
            ended = None if thread is None else thread.ended()
            if ended is not None and not self.app.should_stop:
                raise GroupLost(None if ended.cancelled() else ended.exception())

    # -- fetching ------------------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped = self._stopped.is_set
        fetcher_stopped = fetcher._stopped.is_set
        try:
            while not (stopped() or fetcher_stopped()):
                await self._fetch()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _fetch(self) -> None:
        if not self.flow_active:
            await self.wait(cast(Any, self.can_resume_flow))
            return
        wanted = {tp for tp in self._get_active_partitions() if not self.ledger.full(TopicPartition(*tp))}
        if not wanted:
            await self.ledger.change(FETCH_SECONDS)
            return
        epoch = self.ledger.epoch
        records = await self._getmany(active_partitions=cast(Any, wanted), timeout=FETCH_SECONDS)
        fetched = {TopicPartition(*tp): found for tp, found in (records or {}).items()}
        for tp, found in fetched.items():
            if epoch != self.ledger.epoch or not self.flow_active:
                await self._rewind(fetched)
                return
            await self._deliver(tp, found)

    async def _rewind(self, tps: Iterable[TopicPartition]) -> None:
        """Read again what was read for an assignment that is gone: the client's position is behind it already.

        Without this the records would be seen only after the partition's next one, however long that takes. What has
        no expected offset will be sought by :meth:`perform_seek` anyway.
        """
        await self._seek_back({tp: offset for tp in tps if (offset := self.ledger.expected(tp)) is not None})

    async def _seek_back(self, offsets: Mapping[TopicPartition, int]) -> None:
        assignment = self.assignment()
        owned = {TP(*tp): offset for tp, offset in offsets.items() if TP(*tp) in assignment}
        try:
            if owned:
                await self.seek_wait(owned)
        except IllegalStateError:
            return  # given up in this very moment: whoever owns them next seeks for himself

    async def _deliver(self, tp: TopicPartition, records: list[Any]) -> None:
        self.end_offsets[tp] = self.highwater(cast(Any, tp)) or 0
        known_until = self._known_until.setdefault(tp, self.end_offsets[tp])
        if not records or not await self._in_order(tp, records[0].offset):
            return
        piece = self.ledger.open(tp, records, known_until)
        await self.wait_first(self.callback(self._message(piece)), cast(Any, self.suspend_flow.wait()))

    def _message(self, piece: Slice) -> Message:
        tp = TP(*piece.tp)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            piece.first_offset,
            piece.records[0].timestamp / 1000.0,
            piece.records[0].timestamp_type,
            None,
            None,
            cast(Any, piece),
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _in_order(self, tp: TopicPartition, first: int) -> bool:
        """Whether the fetch begins where the last one ended; reads again what was skipped if it can be."""
        expected = self.ledger.expected(tp)
        if expected is None or first <= expected:
            return True
        if self._rewound.get(tp) != first:
            self._rewound[tp] = first
            await self._seek_back({tp: expected})
            return False
        del self._rewound[tp]
        self.skipped[tp] = self.skipped.get(tp, 0) + first - expected
        log.error(
            "records are gone before they were read",
            topic=tp.topic,
            partition=tp.partition,
            from_offset=expected,
            to_offset=first,
        )
        return True

    async def perform_seek(self) -> None:
        """Read on from the committed offsets, and from the beginning where nothing is committed yet."""
        await super().perform_seek()
        assigned = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
        known = {tp: self._committed_offset.get(tp) for tp in assigned}
        fresh = [tp for tp, offset in known.items() if not offset]
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        start = {TopicPartition(*tp): offset or beginnings.get(tp) or 0 for tp, offset in known.items()}
        self.ledger.expect(start)
        # Once more, now that it is known what to expect: a fetch of the assignment before may have ended in between.
        await self._seek_back(start)
        self._rewound.clear()
        self._known_until.clear()

    # -- committing ----------------------------------------------------------------------------------------------

    def ack(self, message: Message) -> bool:
        """Not how slices are finished: Faust calls this for an event whose agent raised, too."""
        message.acked = True
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (TP(*tp) for tp in self.ledger.committable() if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        done = self.ledger.committable()
        offsets = {tp: done[TopicPartition(*tp)] for tp in tps if TopicPartition(*tp) in done}
        return {tp: offset for tp, offset in offsets.items() if self._should_commit(tp, offset)}

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        assignment = self.assignment()
        owned = {tp: offset for tp, offset in offsets.items() if tp in assignment}
        if not owned or not await self._commit(owned):
            return False
        self._committed_offset.update(owned)
        self.app.monitor.on_tp_commit(cast(Any, owned))
        return True

    def committed(self) -> dict[TopicPartition, int]:
        """The committed offsets this worker knows of."""
        return {TopicPartition(*tp): offset for tp, offset in self._committed_offset.items() if offset is not None}

    async def drain(self, seconds: float) -> None:
        """Before partitions are given up: let the work under way finish, and commit it.

        Answers a defect of plain Faust, which drops its acknowledgements before this last commit, so that every
        rebalance repeated up to a commit interval of events.
        """
        if cast(Any, self.app).crash_reason is not None:
            seconds = 0.0  # whatever is unfinished will not be finished any more
        self.ledger.stop_starting()
        if not await self.ledger.wait_idle(seconds):
            log.warning("giving up unfinished work, to be read again", records=sum(self.ledger.unfinished().values()))
        await self.commit()
        self.ledger.forget()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Not needed: progress is probed by comparing committed with end offsets."""


class SliceTransport(driver.Transport):
    """aiokafka with slices in and batches out."""

    Consumer = SliceConsumer
    Producer = SliceProducer
