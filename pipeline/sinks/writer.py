"""Writing down what happened to updates, as soon as it happened, many at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from pipeline import topics
from pipeline.engine import Outgoing, Slice, SliceApp, SliceTable, StaleSlices, Step
from pipeline.sinks.memory import Sent


@dataclass(slots=True)
class _Entry:
    piece: Slice
    key: bytes
    sent: Sent | None
    dead: Outgoing | None
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Writer:
    """Groups results that come in while the last group is being written.

    A result is on disk within one round trip to the broker, however large the batch is that it came with: what Norce
    has taken must not be sent again after a crash.
    """

    def __init__(self, app: SliceApp, table: SliceTable) -> None:
        self._app = app
        self._table = table
        self._waiting: list[_Entry] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def write(self, piece: Slice, key: bytes, *, sent: Sent | None = None, dead: Outgoing | None = None) -> None:
        """Return when a result is durable: what was sent in the table, what died in the dead letters.

        Raises:
            StaleSlices: the partition was given up before.
        """
        entry = _Entry(piece, key, sent, dead)
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
        by_partition: dict[int, list[_Entry]] = defaultdict(list)
        for entry in group:
            by_partition[entry.piece.tp.partition].append(entry)
        for partition, entries in by_partition.items():
            step = Step()
            for entry in entries:
                if entry.sent is not None:
                    step.change(self._table, entry.key, entry.sent.encode())
                if entry.dead is not None:
                    step.send(topics.DEAD_LETTERS, entry.dead)
            written = await self._app.write({entry.piece for entry in entries}, {partition: step})
            for entry in entries:
                if entry.written.done():
                    continue  # whoever waited was cancelled
                if written:
                    entry.written.set_result(None)
                else:
                    entry.written.set_exception(StaleSlices())
