"""The Faust app of the look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, cast

import structlog
from faust.types import StreamT

from connectors.norce import NorceError, Patience, persist
from connectors.query import QueryClient
from pipeline import topics
from pipeline.agents.app import by_partition
from pipeline.dead_letters.records import dead_letter
from pipeline.domain import Said
from pipeline.engine import Slice, SliceApp, SliceTable, Step
from pipeline.framing import unframed
from pipeline.lookup import memory, metrics
from pipeline.lookup.answers import answer
from pipeline.lookup.asker import Asker, wall_clock
from pipeline.lookup.book import Book, name_of
from pipeline.lookup.memory import Rule, Source
from pipeline.lookup.questions import Kind, Question, Unreadable, question_of
from pipeline.settings import KafkaSettings, LookupSettings

log = structlog.get_logger(__name__)

READ: Mapping[str, Kind] = {
    topics.ENRICHED["orders"]: "order",
    topics.ENRICHED["products"]: "product",
    topics.ENRICHED["invoices"]: "invoice",
}
"""The topics that say what there is to ask."""


def make_lookup(kafka: KafkaSettings, settings: LookupSettings) -> SliceApp:
    """An app that reads enriched records, asks Query about them, and publishes the answers."""
    app = SliceApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        security=kafka.security(),
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    (name,) = topics.LOOKUP_TABLES
    book = Book(cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=kafka.partitions)))
    rules = rules_of(settings)
    reader = Reader(book, rules, settings)

    @app.agent(app.topic(*[topic for topic, kind in READ.items() if kind in settings.kinds]), name="lookup")
    async def look_up(stream: StreamT[Slice]) -> None:
        """Enriched records of what is to be looked up."""
        async with QueryClient(settings) as client:

            async def ask(question: Question) -> Said:
                async def once(patience: Patience) -> Said:
                    return await answer(client.details, question, patience)

                return await persist(once, settings.deadline)

            trouble: BaseExceptionGroup[NorceError] | None = None
            try:
                async with asyncio.TaskGroup() as tasks:
                    asker = Asker(app, book, ask, rules, settings.concurrency, tasks)
                    metrics.WAITING.set_function(asker.waiting)
                    metrics.OLDEST.set_function(asker.oldest)
                    tasks.create_task(asker.run())
                    async for slices in app.batches(stream):
                        for partition, pieces in by_partition(slices).items():
                            await _take(app, reader, partition, pieces)
                        asker.wake()
            except* NorceError as group:
                trouble = group
            if trouble is not None:
                raise _first(trouble) from trouble

    return app


def rules_of(settings: LookupSettings) -> dict[str, Rule]:
    """When each kind is asked about again."""
    ages = {"order": settings.order_age, "product": settings.product_age, "invoice": None}
    return {
        kind: Rule(
            age=None if age is None else _microseconds(age),
            unknown_wait=_microseconds(settings.unknown_wait),
            unknown_wait_max=_microseconds(settings.unknown_wait_max),
            unknown_tries=settings.unknown_tries,
        )
        for kind, age in ages.items()
    }


class Reader:
    """Turns enriched records into what is to be asked."""

    def __init__(self, book: Book, rules: Mapping[str, Rule], settings: LookupSettings) -> None:
        self._book = book
        self._rules = rules
        self._applications = settings.applications

    def step(self, partition: int, records: Iterable[Any]) -> Step:
        """What follows from the records of one partition; of each thing only the newest says anything."""
        step, now = Step(), wall_clock()
        newest = {(READ[record.topic], bytes(record.key)): record for record in records if record.value is not None}
        names = {place: name_of(*place) for place in newest}
        entries = self._book.entries(partition, names.values())
        for (kind, key), record in newest.items():
            name = names[kind, key]
            question = self._question(step, kind, key, record)
            if question is None:
                continue
            source = Source(record.topic, record.partition, record.offset, record.timestamp)
            after = memory.seen(entries.get(name), question, source, now, self._rules[kind])
            metrics.READ.labels(kind, "cached" if after is None else "asked").inc()
            if after is not None:
                self._book.write(step, name, entries.get(name), after)
        return step

    def _question(self, step: Step, kind: Kind, key: bytes, record: Any) -> Question | None:
        try:
            found = question_of(kind, key.decode(), unframed(record.value), self._applications)
        except (Unreadable, UnicodeDecodeError) as error:
            log.error("not an enriched record", kind=kind, topic=record.topic, offset=record.offset)
            step.send(topics.DEAD_LETTERS, dead_letter(record, str(error), error=type(error).__name__, stage="lookup"))
            return None
        if found is None:
            metrics.READ.labels(kind, "no_application" if kind == "product" else "nothing").inc()
        return found


async def _take(app: SliceApp, reader: Reader, partition: int, pieces: list[Slice]) -> None:
    async with app.turn(partition):
        if app.slices.holds(pieces):
            records = [record for piece in pieces for record in piece.records]
            await app.settle(pieces, {partition: reader.step(partition, records)})


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)


def _first(group: BaseExceptionGroup[NorceError]) -> NorceError:
    """The first plain error of a group: it names the trouble."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return cast(NorceError, error)
