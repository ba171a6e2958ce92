"""Lanes: one call in flight per order, the newest state wins, and nothing is finished before it is written down.

Every order with a waiting update has a lane. What arrives while its lane is busy takes the place of what still waits in
it, because an update says everything that Norce is to know of the order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import structlog

from connectors.norce import CallLog, NorceError, Outcome
from pipeline import metrics
from pipeline.calls import encode_calls
from pipeline.cancelling import cancel
from pipeline.commands import REPLAY_HEADER
from pipeline.dead_letters.records import dead_letter
from pipeline.domain import CheckoutUpdate, ConnectUpdate
from pipeline.engine import Outgoing, Slice, SliceLedger, SliceTable, StaleSlices
from pipeline.ledger import UpdateOutcome
from pipeline.sinks.memory import Sent
from pipeline.sinks.traces import about, note_outcome
from pipeline.sinks.writer import Result, Writer

log = structlog.get_logger(__name__)


U = TypeVar("U", ConnectUpdate, CheckoutUpdate)
Deliver = Callable[[U, CallLog], Awaitable[UpdateOutcome]]
"""Sends an update and notes its calls; says how that ended if it did not fail."""


@dataclass(eq=False, slots=True)
class _Pending(Generic[U]):
    update: U
    record: Any
    piece: Slice
    replay: str = ""
    """Id of the command that wants it sent although Norce was told the same."""
    replaced: list[U] = field(default_factory=list)
    """What it took the place of."""
    calls: CallLog = field(default_factory=CallLog)
    """What was called for it."""


class Lanes(Generic[U]):
    """Delivers updates until the partitions they came from are given up."""

    def __init__(
        self,
        target: str,
        deliver: Deliver[U],
        table: SliceTable,
        writer: Writer,
        ledger: SliceLedger,
        concurrency: int,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._target = target
        self._deliver: Deliver[U] = deliver
        self._table = table
        self._writer = writer
        self._ledger = ledger
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks = tasks
        self._waiting: dict[bytes, _Pending[U]] = {}
        self._lanes: dict[bytes, asyncio.Task[None]] = {}
        self._calling: dict[asyncio.Task[None], _Pending[U]] = {}
        self._left: Counter[Slice] = Counter()
        self._pending = metrics.PENDING.labels(target)

    # -- arriving ------------------------------------------------------------------------------------------------

    def expect(self, piece: Slice, count: int) -> None:
        """A slice is finished when that many of its records are."""
        self._left[piece] = count
        if not count:
            self._finish(piece)

    def add(self, update: U, record: Any, piece: Slice) -> None:
        """Take an update; it takes the place of one of the same order that still waits, unless it is older."""
        key = bytes(record.key)
        self._pending.inc()
        newest: _Pending[U] = _Pending(update, record, piece, _replay(record))
        waiting = self._waiting.get(key)
        if waiting is not None:
            older: _Pending[U] = waiting
            if waiting.update.version > update.version:
                newest, older = waiting, newest
            newest.replay = newest.replay or older.replay  # what takes its place says all that it says
            newest.replaced += older.replaced
            newest.replaced.append(older.update)
            self._tasks.create_task(self._supersede(older))
        self._waiting[key] = newest
        if key not in self._lanes:
            self._lanes[key] = self._tasks.create_task(self._run(key))

    async def bury(self, record: Any, piece: Slice, error: Exception) -> None:
        """Put a record aside that is no update."""
        letter = dead_letter(record, str(error), error=type(error).__name__, stage=self._target)
        with about(record, "", self._writer.group) as span:
            note_outcome(span, UpdateOutcome.DEAD)
            await self._writer.write(piece, record, Result(UpdateOutcome.DEAD, dead=letter))
        self._resolve(piece)

    # -- delivering ----------------------------------------------------------------------------------------------

    async def _run(self, key: bytes) -> None:
        try:
            while key in self._waiting:
                async with self._slots:
                    await self._next(key)
        except StaleSlices:
            return
        finally:
            del self._lanes[key]

    async def _next(self, key: bytes) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        pending = self._calling[task] = self._waiting.pop(key)
        try:
            with about(pending.record, pending.update.id, self._writer.group) as span:
                result = await self._handle(key, pending)
                note_outcome(span, result.outcome)
                await self._end(pending, result)
        finally:
            del self._calling[task]
            self._pending.dec()

    async def _handle(self, key: bytes, pending: _Pending[U]) -> Result:
        update = pending.update
        stored = self._table.read(pending.piece.tp.partition, [key]).get(key)
        sent = None if stored is None else Sent.decode(stored)
        needless = None if sent is None else _needless(sent, pending)
        if needless is not None:
            return Result(needless)
        try:
            outcome = await self._deliver(update, pending.calls)
        except NorceError as error:
            if error.outcome is not Outcome.DEAD_LETTER:
                await self._hand_over(pending)
                await self._writer.flush()  # what Norce took from other lanes must not be sent again
                raise
            log.error("update refused", target=self._target, reason=error.reason)
            letter = dead_letter(pending.record, error.reason, stage=self._target, **_told(error))
            return Result(UpdateOutcome.DEAD, dead=letter, calls=self._called(pending, UpdateOutcome.DEAD))
        kept = Sent.of(update, pending.replay or ("" if sent is None else sent.replay))
        return Result(outcome, sent=kept, calls=self._called(pending, outcome))

    def _called(self, pending: _Pending[U], outcome: UpdateOutcome | None) -> Outgoing | None:
        """The record of an update's calls so far, which is handed in once."""
        calls, pending.calls = pending.calls, CallLog()
        return encode_calls(bytes(pending.record.key), pending.update, self._target, outcome, calls)

    async def _hand_over(self, pending: _Pending[U]) -> None:
        """Write down what was called for an update that is left unfinished: its next owner knows of nothing before."""
        calls = self._called(pending, None)
        if calls is not None:
            with suppress(StaleSlices):
                await self._writer.write(pending.piece, pending.record, Result(None, calls=calls))

    async def _supersede(self, pending: _Pending[U]) -> None:
        """Only what the ledger says is finished: an update that nobody sends has to be written down as well."""
        with suppress(StaleSlices), about(pending.record, pending.update.id, self._writer.group) as span:
            note_outcome(span, UpdateOutcome.SUPERSEDED)
            await self._end(pending, Result(UpdateOutcome.SUPERSEDED))
        self._pending.dec()

    async def _end(self, pending: _Pending[U], result: Result) -> None:
        await self._writer.write(pending.piece, pending.record, result)
        self._resolve(pending.piece)

    def _resolve(self, piece: Slice) -> None:
        if piece not in self._left:
            return  # given up meanwhile
        self._left[piece] -= 1
        if not self._left[piece]:
            self._finish(piece)

    def _finish(self, piece: Slice) -> None:
        del self._left[piece]
        self._ledger.finish([piece])

    # -- giving up -----------------------------------------------------------------------------------------------

    async def give_up(self, grace: float) -> None:
        """Stop for a rebalance or the end: what waits is left to the next owner.

        Calls under way get ``grace`` seconds; what Norce has taken by then is still written down.
        """
        waiting, self._waiting = self._waiting, {}
        self._pending.dec(len(waiting))
        calling = dict(self._calling)
        idle = [task for task in self._lanes.values() if task not in calling]
        await cancel(*idle)
        if calling:
            await asyncio.wait(calling, timeout=grace)
            cut_off = [task for task in calling if not task.done()]
            await cancel(*cut_off)
            await asyncio.gather(*(self._hand_over(calling[task]) for task in cut_off))
        await self._writer.flush()
        unfinished, self._left = list(self._left), Counter()
        self._ledger.release(unfinished)


def _needless(sent: Sent, pending: _Pending[Any]) -> UpdateOutcome | None:
    """Why an update need not be sent any more, or ``None`` if it must be.

    Of what waits only the newest is sent. But what it took the place of may have reached Norce in a life of this sink
    that ended before it was written down, so that Norce holds something else than what is remembered. Then to be the
    same as what is remembered is no reason not to send it.
    """
    verdict = sent.judge(pending.update, pending.replay)
    if verdict is UpdateOutcome.UNCHANGED and any(sent.judge(each) is None for each in pending.replaced):
        return None
    return verdict


def _replay(record: Any) -> str:
    headers: dict[str, bytes] = dict(record.headers or ())
    return headers.get(REPLAY_HEADER, b"").decode("utf-8", "replace")


def _told(error: NorceError) -> dict[str, Any]:
    """What a client's error tells a dead letter, without repeating the reason."""
    return {name: value for name, value in error.describe().items() if name != "reason"}
