"""Asking what is due, a few at a time, and writing down what came of it.

Before a look-up is made its number is reserved in the table, so an answer that is asked for again after a crash has a
higher one. After the answer the record goes out first and the table changes second: a crash between the two asks again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import structlog

from connectors.norce import NorceError, Outcome, Unknown
from pipeline import topics
from pipeline.dead_letters.records import dead_letter
from pipeline.domain import Said
from pipeline.engine import SliceApp, Step
from pipeline.engine.slices import TopicPartition
from pipeline.lookup import memory, metrics
from pipeline.lookup.book import Book, Name
from pipeline.lookup.memory import Entry, Rule
from pipeline.lookup.questions import Kind, Question
from pipeline.lookup.records import looked_up

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
"""Seconds between two looks at what is due when nothing happens."""

COUNTED = 1000
"""Most due look-ups of one partition that are counted for the metrics."""

Ask = Callable[[Question], Awaitable[Said]]


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class _Result(NamedTuple):
    """What came of one look-up: an answer or an error."""

    name: Name
    asked: Entry
    said: Said | None
    error: NorceError | None


class Asker:
    """Makes the look-ups of all partitions that are this process's."""

    def __init__(
        self,
        app: SliceApp,
        book: Book,
        ask: Ask,
        rules: Mapping[str, Rule],
        concurrency: int,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._app = app
        self._book = book
        self._ask = ask
        self._rules = rules
        self._concurrency = concurrency
        self._tasks = tasks
        self._clock = clock
        self._asking: set[Name] = set()
        self._results: dict[int, list[_Result]] = defaultdict(list)
        self._news = asyncio.Event()
        self._trouble: NorceError | None = None

    def wake(self) -> None:
        """Something may have become due."""
        self._news.set()

    def waiting(self) -> int:
        """How many look-ups are due or under way, as far as they are counted."""
        now = self._clock()
        return sum(
            sum(due <= now for due, _ in islice(self._book.due(number), COUNTED)) for number in self._app.owned()
        )

    def oldest(self) -> float:
        """Seconds since when the oldest is due."""
        first = [next(self._book.due(number), (None, b""))[0] for number in self._app.owned()]
        return max(0.0, *[(self._clock() - due) / 1e6 for due in first if due is not None], 0.0)

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            NorceError: one that no look-up can succeed after, see ``Outcome.STOP``.
        """
        while True:
            self._news.clear()
            if self._trouble is not None:
                raise self._trouble
            for partition in self._app.owned():
                room = self._concurrency - len(self._asking)
                if room > 0:
                    await self._start(partition, room)
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._news.wait()

    async def _start(self, partition: int, room: int) -> None:
        names = self._due(partition, room)
        if not names:
            return
        picked: dict[Name, Entry] = {}

        def reserve() -> Step:
            step = Step()
            for name, entry in self._book.entries(partition, names).items():
                picked[name] = memory.reserved(entry)
                self._book.write(step, name, entry, picked[name])
            return step

        if await self._write(partition, reserve):
            for name, entry in picked.items():
                self._asking.add(name)
                self._tasks.create_task(self._look_up(partition, name, entry))

    def _due(self, partition: int, room: int) -> list[Name]:
        now = self._clock()
        found: list[Name] = []
        for due, name in self._book.due(partition):
            if due > now or len(found) == room:
                break
            if name not in self._asking:
                found.append(name)
        return found

    async def _look_up(self, partition: int, name: Name, asked: Entry) -> None:
        try:
            said, error = await self._answer(asked.question)
            await self._record(partition, _Result(name, asked, said, error))
        except NorceError as trouble:
            # Raised by ``run`` and not here: a group of tasks that is ending takes no new ones.
            self._trouble = trouble
        finally:
            self._asking.discard(name)
            self.wake()

    async def _answer(self, question: Question) -> tuple[Said | None, NorceError | None]:
        try:
            return await self._ask(question), None
        except NorceError as error:
            if error.outcome is not Outcome.DEAD_LETTER:
                raise
            return None, error

    async def _record(self, partition: int, result: _Result) -> None:
        """Write a result down, with those that came in while others were being written."""
        self._results[partition].append(result)
        outcomes: list[tuple[Kind, str]] = []

        def settle() -> Step:
            step = Step()
            results, self._results[partition] = self._results[partition], []
            entries = self._book.entries(partition, [one.name for one in results])
            for one in results:
                entry, outcome = entries.get(one.name), "outdated"
                if entry is not None and entry.number == one.asked.number:
                    after, outcome = self._settled(step, entry, one)
                    self._book.write(step, one.name, entry, after)
                outcomes.append((one.asked.question.kind, outcome))
            return step

        written = await self._write(partition, settle)
        if not written:
            self._results.pop(partition, None)  # whoever has the partition now asks again
        for kind, outcome in outcomes:
            metrics.LOOKUPS.labels(kind, outcome if written else "outdated").inc()

    def _settled(self, step: Step, entry: Entry, result: _Result) -> tuple[Entry, str]:
        asked, said, error = result.asked, result.said, result.error
        question, now = asked.question, self._clock()
        if said is not None:
            after, news = memory.answered(entry, asked, said, now)
            if news:
                numbered = msgspec.structs.replace(said, number=asked.number)
                step.send(topics.LOOKUPS[question.kind], looked_up(question.kind, question.key, numbered, now))
            return after, "answered" if news else "unchanged"
        rule = self._rules[question.kind]
        if isinstance(error, Unknown):
            after = memory.unknown(entry, asked, now, rule)
            given_up = after.unknown >= rule.unknown_tries
            log.info("not known to Query", kind=question.kind, key=question.key, times=after.unknown, given_up=given_up)
            return after, "given_up" if given_up else "unknown"
        assert error is not None  # noqa: S101  an answer or an error
        log.error("look-up refused", kind=question.kind, key=question.key, reason=error.reason)
        step.send(topics.DEAD_LETTERS, _letter(asked, error))
        return memory.refused(entry, asked), "dead"

    async def _write(self, partition: int, make: Callable[[], Step]) -> bool:
        """Read and write the table with nobody in between; ``False`` if the partition is another process's by now."""
        async with self._app.turn(partition):
            place = TopicPartition(topics.LOOKUPS["order"], partition)
            claim = self._app.slices.claim(place) if partition in self._app.owned() else None
            if claim is None:
                return False
            try:
                return await self._app.write([claim], {partition: make()})
            finally:
                self._app.slices.release([claim])


def _letter(asked: Entry, error: NorceError) -> Any:
    """A dead letter about the enriched record that gave reason to ask. Its value is on its topic."""
    source = asked.source
    record = SimpleNamespace(
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        timestamp=source.timestamp,
        headers=(),
        key=asked.question.key.encode(),
        value=None,
    )
    told = {name: value for name, value in error.describe().items() if name != "reason"}
    return dead_letter(record, error.reason, stage="lookup", **told)
