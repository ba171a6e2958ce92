"""Trying bodies in quarantine again, the way the connector does, and saying what it came to.

Of each batch first is said that it is being retried, then its events are published, then what it came to is said. After
a death in between a body is retried once more: its event has the id and the time of the first one, so the join, which
keeps a set of receipts, hears it once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from connectors.webhook.event_types import Requested
from connectors.webhook.producer import Producer
from connectors.webhook.records import Record, RecordFactory
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.events import UnusableBody
from pipeline.events.envelope import RETRIED_FROM_HEADER, TYPE_PREFIX
from pipeline.quarantine.entries import Entry, Row
from pipeline.quarantine.retries import Outcome, Published, Refusal, Retry, encode_retry
from pipeline.settings import KafkaSettings
from pipeline.topics import QUARANTINE_RETRIES

BATCH = 200
"""Bodies that are held in memory and published at once."""
PATIENCE = 6
"""Request timeouts that Kafka has to acknowledge one batch."""
UNREADABLE = "unreadable_headers"
"""Reason of a body that somebody else than the connector put into the quarantine."""


class NotPublished(Exception):
    """Kafka did not acknowledge. What was retried before stands; the rest can be retried again."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"Kafka did not acknowledge: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Rules:
    """How bodies are tried. ``event_type`` stands for what the requests asked for, where that was wrong."""

    accept_unknown: bool = False
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A body that was tried: its event's record, or why there is none. ``event`` is where the event is, if published.

    Neither of them: it was retried before, and was left alone.
    """

    row: Row
    record: Record | None = None
    refusal: Refusal | None = None
    event: Published | None = None

    @property
    def event_type(self) -> str:
        """What it was tried as; what was asked for if it is refused."""
        if self.record is None:
            return self.row.entry.event_type
        return dict(self.record.headers)["ce_type"].decode().removeprefix(TYPE_PREFIX)


def event_of(entry: Entry, rules: Rules) -> Record:
    """The record that the connector would have made of a body, had it been as it is now; published now.

    The header ``content-encoding`` of the request is not kept, so the body is judged by itself.

    Raises:
        UnusableBody
    """
    factory = RecordFactory(entry.source, mint=lambda: entry.id, now=lambda: entry.received)
    names = entry.asked if rules.event_type is None else (rules.event_type,)
    record = factory.accepted(Requested(names), entry.body, accept_unknown=rules.accept_unknown)
    headers = [*record.headers, (RETRIED_FROM_HEADER, entry.origin.encode())]
    # By its time a record is found and deleted: with that of its receipt it could be gone before it is joined.
    return replace(record, headers=headers, timestamp=int(time.time() * 1000))


def judge(row: Row, rules: Rules, *, again: bool = False) -> Tried:
    """What a retry of a body comes to. ``again`` is for those, too, that were retried before."""
    if row.outcome is Outcome.RETRIED and not again:
        return Tried(row)
    if not row.entry.readable:
        return Tried(row, refusal=Refusal(reason=UNREADABLE, detail="no record of the connector's", where=""))
    try:
        return Tried(row, event_of(row.entry, rules))
    except UnusableBody as error:
        return Tried(row, refusal=Refusal(reason=error.reason, detail=error.detail, where=error.where))


class Retrier:
    """Publishes events and says what became of bodies; all of it acknowledged by every in-sync replica."""

    def __init__(self, producer: Producer, timeout: float, by: str) -> None:
        self._producer = producer
        self._timeout = timeout
        self._by = by
        self._command = str(uuid.uuid4())

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings, max_body_bytes: int, by: str) -> AsyncIterator[Self]:
        """Raises ``NotPublished`` if no broker answers."""
        producer = Producer(kafka, max_body_bytes, client_id="norce-quarantine")
        try:
            await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotPublished(error) from error
        try:
            yield cls(producer, PATIENCE * kafka.request_timeout, by)
        finally:
            await producer.close(kafka.request_timeout)

    async def retry(self, tried: Sequence[Tried]) -> list[Tried]:
        """Publish a batch; those that were are returned with their places. Raises ``NotPublished``."""
        taken = [each for each in tried if each.record is not None]
        await self._say([(each, Outcome.RETRYING) for each in taken])
        places = iter(await self._send([_arguments(each.record) for each in taken if each.record is not None]))
        ended = [each if each.record is None else replace(each, event=_published(next(places))) for each in tried]
        await self._say([(each, Outcome.RETRIED) for each in ended if each.event is not None])
        await self._say([(each, Outcome.STILL_REFUSED) for each in ended if each.refusal is not None])
        return ended

    async def _say(self, said: Sequence[tuple[Tried, Outcome]]) -> None:
        # Of what was retried before nothing less is said: its event is on its topic.
        kept = [each for each in said if each[1] is Outcome.RETRIED or each[0].row.outcome is not Outcome.RETRIED]
        await self._send([self._retry(tried, outcome) for tried, outcome in kept])

    def _retry(self, tried: Tried, outcome: Outcome) -> dict[str, Any]:
        entry = tried.row.entry
        retry = Retry(
            command=self._command,
            by=self._by,
            partition=entry.partition,
            offset=entry.offset,
            event_id=entry.id,
            received_at=entry.received_at // 1000,
            event_type=tried.event_type,
            outcome=outcome,
            event=tried.event,
            refusal=tried.refusal,
            at=int(time.time() * 1000),
        )
        return {
            "topic": QUARANTINE_RETRIES,
            "value": encode_retry(retry),
            "key": entry.origin.encode(),
            "partition": entry.partition,
            "headers": [*JSON_HEADERS],
        }

    async def _send(self, records: Sequence[dict[str, Any]]) -> list[RecordMetadata]:
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.gather(*[await self._producer.send(**record) for record in records])
        except (KafkaError, TimeoutError) as error:
            raise NotPublished(error) from error


def _arguments(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "value": record.value,
        "key": record.key,
        "timestamp": record.timestamp,
        "headers": record.headers,
    }


def _published(stored: RecordMetadata) -> Published:
    return Published(topic=stored.topic, partition=stored.partition, offset=stored.offset)


@dataclass
class Course:
    """Judges bodies and, with a retrier, retries them; ``tell`` hears of each one in the end."""

    rules: Rules
    tell: Callable[[Tried], None]
    retrier: Retrier | None = None
    again: bool = False
    _batch: list[Tried] = field(default_factory=list)

    async def run(self, rows: AsyncIterable[Row]) -> None:
        """Raises ``NotPublished``; what was told until then is done."""
        async for row in rows:
            self._batch.append(judge(row, self.rules, again=self.again))
            if len(self._batch) >= BATCH:
                await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        ended = self._batch if self.retrier is None else await self.retrier.retry(self._batch)
        for tried in ended:
            self.tell(tried)
        self._batch = []
