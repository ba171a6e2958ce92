"""Writing down what happened to updates, as soon as it happened, many at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pipeline import metrics, topics
from pipeline.engine import Outgoing, Slice, SliceApp, SliceTable, StaleSlices
from pipeline.ledger import LedgerStep, UpdateOutcome
from pipeline.sinks.memory import Sent


@dataclass(frozen=True, slots=True)
class Result:
    """How an update ended, and what is to be kept of it: what Norce was told or a dead letter, and the calls.

    ``outcome`` None: it has not, and its next owner goes on with it.
    """

    outcome: UpdateOutcome | None
    sent: Sent | None = None
    dead: Outgoing | None = None
    calls: Outgoing | None = None


@dataclass(slots=True)
class _Entry:
    piece: Slice
    record: Any
    result: Result
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Writer:
    """Groups results that come in while the last group is being written.

    A result is on disk within one round trip to the broker, however large the batch is that it came with: what Norce
    has taken must not be sent again after a crash.
    """

    def __init__(self, app: SliceApp, table: SliceTable, target: str) -> None:
        self._app = app
        self._table = table
        self._target = target
        self._waiting: list[_Entry] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def group(self) -> str:
        """The consumer group, as the ledger names it."""
        return str(self._app.conf.id)

    async def write(self, piece: Slice, record: Any, result: Result) -> None:
        """Return when a result is durable: in the ledger, in the table of what was sent, in the dead letters, among the
        calls.

        Raises:
            StaleSlices: the partition was given up before.
        """
        entry = _Entry(piece, record, result)
        self._waiting.append(entry)
        self._idle.clear()
        self._arrived.set()
        await entry.written

    async def flush(self) -> None:
        """Return when everything handed in so far is written, or was found stale."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write groups until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            group, self._waiting = self._waiting, []
            try:
                await self._write(group)
            except BaseException as error:
                for entry in group:
                    if not entry.written.done():
                        entry.written.set_exception(error if isinstance(error, Exception) else StaleSlices())
                raise
            if not self._waiting:
                self._idle.set()

    async def _write(self, group: list[_Entry]) -> None:
        steps: dict[int, LedgerStep] = defaultdict(lambda: LedgerStep(writer=self.group, counter=metrics.UPDATES))
        for entry in group:
            self._add(steps[entry.piece.tp.partition], entry)
        for step in steps.values():
            step.seal()
        written = await self._app.write({entry.piece for entry in group}, steps)
        for entry in group:
            if entry.written.done():
                continue  # whoever waited was cancelled
            if written:
                entry.written.set_result(None)
            else:
                entry.written.set_exception(StaleSlices())

    def _add(self, step: LedgerStep, entry: _Entry) -> None:
        result = entry.result
        if result.outcome is not None:
            step.ended(entry.record, self._target, result.outcome)
        if result.sent is not None:
            step.change(self._table, bytes(entry.record.key), result.sent.encode())
        if result.dead is not None:
            step.send(topics.DEAD_LETTERS, result.dead)
        if result.calls is not None:
            step.send(topics.CALLS, result.calls)
