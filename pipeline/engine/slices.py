"""Slices of fetched partitions, and the ledger that says which offset may be committed.

Answers two defects of plain Faust: the committed offset could jump over an event that was still being worked on
(faust-streaming issue 606), and an event whose agent raised was acknowledged and lost. Here an offset becomes
committable only when its own slice and every slice before it was finished, and nothing but :meth:`SliceLedger.finish`
finishes one.

No Kafka in here: the ledger is plain bookkeeping, so that it can be tested over any order of events.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class TopicPartition(NamedTuple):
    """A partition of a topic. Equal to Faust's and aiokafka's own tuples."""

    topic: str
    partition: int


class StaleSlices(Exception):
    """The partitions were revoked while their slices were worked on; nothing of the rest may be written."""


@dataclass(eq=False, slots=True)
class Slice:
    """The records of one partition from one fetch, in offset order; none where the work follows from no record."""

    tp: TopicPartition
    records: Sequence[Any]
    epoch: int
    known_until: int = 0
    """The offset before which somebody may have read already: where the partition ended when it was assigned."""
    finished: bool = False

    @property
    def first_offset(self) -> int:
        return int(self.records[0].offset)

    @property
    def next_offset(self) -> int:
        """The offset to commit once this slice and all before it are finished."""
        return int(self.records[-1].offset) + 1


@dataclass
class SliceLedger:
    """Which slices are under way, and up to which offset each partition is done.

    An *epoch* is the time between two rebalances. Slices of an older epoch are stale: they are dropped before work
    starts, and work on them may not be written.
    """

    #: Unfinished records of one partition beyond which no more are fetched from it.
    partition_limit: int = 4000
    epoch: int = 0
    _open: dict[TopicPartition, deque[Slice]] = field(default_factory=lambda: defaultdict(deque))
    _unfinished: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))
    _done: dict[TopicPartition, int] = field(default_factory=dict)
    _expected: dict[TopicPartition, int] = field(default_factory=dict)
    _working: set[Slice] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    # -- fetching ------------------------------------------------------------------------------------------------

    def open(self, tp: TopicPartition, records: Sequence[Any], known_until: int = 0) -> Slice:
        """Register fetched records; until finished they hold the committed offset back."""
        piece = Slice(tp, records, self.epoch, known_until)
        self._open[tp].append(piece)
        self._unfinished[tp] += len(records)
        self._expected[tp] = piece.next_offset
        return piece

    def expect(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Say where each partition is read from next, after a seek."""
        self._expected.update(offsets)

    def expected(self, tp: TopicPartition) -> int | None:
        """The offset that must come next; another one means records were skipped."""
        return self._expected.get(tp)

    def full(self, tp: TopicPartition) -> bool:
        """Whether enough of this partition waits to be worked on."""
        return self._unfinished[tp] >= self.partition_limit

    async def change(self, seconds: float) -> None:
        """Wait until a slice is finished or the epoch changes, at most ``seconds``."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    # -- working -------------------------------------------------------------------------------------------------

    def begin(self, slices: Iterable[Slice]) -> list[Slice]:
        """Start work: returns the slices that are still current and drops the stale ones."""
        fresh = [piece for piece in slices if self.current(piece)]
        self._working.update(fresh)
        return fresh

    def claim(self, tp: TopicPartition) -> Slice | None:
        """Start work on a partition that follows from no record, such as that of a timer; ``None`` while work stops.

        Like slices it holds up a rebalance until it is released, and may not be written when it outlives one.
        """
        if self._stopping.is_set():
            return None
        piece = Slice(tp, (), self.epoch)
        self._working.add(piece)
        return piece

    def current(self, piece: Slice) -> bool:
        """Whether the slice belongs to the present assignment."""
        return piece.epoch == self.epoch

    def holds(self, slices: Iterable[Slice]) -> bool:
        """Whether the work on all of them still counts."""
        return all(piece in self._working for piece in slices)

    def writable(self, slices: Iterable[Slice]) -> None:
        """Check just before a write that the work still counts.

        Raises:
            StaleSlices: if the partitions were given up in the meantime.
        """
        if not self.holds(slices):
            raise StaleSlices

    def finish(self, slices: Iterable[Slice]) -> None:
        """Everything that follows from these slices is acknowledged and written."""
        for piece in slices:
            if piece not in self._working:
                continue  # given up by a rebalance: its records are read again by the new owner
            self._working.discard(piece)
            piece.finished = True
            self._unfinished[piece.tp] -= len(piece.records)
            queue = self._open[piece.tp]
            while queue and queue[0].finished:
                self._done[piece.tp] = queue.popleft().next_offset
        self._changed.set()

    def release(self, slices: Iterable[Slice]) -> None:
        """Stop work on slices without finishing them: their records are read again by the next owner."""
        self._working.difference_update(slices)
        self._changed.set()

    @property
    def idle(self) -> bool:
        """Whether no slice is being worked on."""
        return not self._working

    @property
    def stopping(self) -> asyncio.Event:
        """Set while a rebalance or a stop waits for the work under way."""
        return self._stopping

    # -- committing ----------------------------------------------------------------------------------------------

    def committable(self) -> dict[TopicPartition, int]:
        """Per partition the offset after the last finished slice with none unfinished before it."""
        return dict(self._done)

    def unfinished(self) -> dict[TopicPartition, int]:
        """Per partition the number of fetched records that are not finished."""
        return {tp: count for tp, count in self._unfinished.items() if count}

    def oldest(self) -> dict[str, int]:
        """Per topic the time of the oldest fetched record that is not finished, as the record has it."""
        found: dict[str, int] = {}
        for tp, queue in self._open.items():
            if queue:
                time = int(queue[0].records[0].timestamp)
                found[tp.topic] = min(time, found.get(tp.topic, time))
        return found

    # -- rebalancing ---------------------------------------------------------------------------------------------

    def stop_starting(self) -> None:
        """Let only the work under way go on: whatever waits in a queue becomes stale."""
        self.epoch += 1
        self._stopping.set()
        self._changed.set()

    async def wait_idle(self, seconds: float) -> bool:
        """Wait until the work under way is finished; ``False`` if it took longer than ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while self._working:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def forget(self) -> None:
        """Start an empty epoch: what is unfinished will be read again, by whoever owns it then."""
        self.epoch += 1
        self._working.clear()
        self._open.clear()
        self._unfinished.clear()
        self._done.clear()
        self._expected.clear()
        self._stopping.clear()
        self._changed.set()
