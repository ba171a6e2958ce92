"""Publishing missing events the way the connector does, marked as reconciled.

The mark is the header ``norce_origin`` and the id: it is made from the event alone, so a sweep that is repeated gives
an event the id it had, and it stands in the order's timeline.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Self

import orjson
from aiokafka.errors import KafkaError

from connectors.webhook.producer import Producer
from connectors.webhook.records import Record, RecordFactory
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.events import EVENT_TYPES, parse
from pipeline.events.envelope import ORIGIN_HEADER, RECONCILED
from pipeline.events.registry import ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC
from pipeline.reconciliation.compare import Missing
from pipeline.reconciliation.errors import NotPublished
from pipeline.settings import KafkaSettings
from pipeline.topics import RECONCILIATION

TOPICS = (ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC, RECONCILIATION)
MAX_RECORD_BYTES = 1_048_576
PATIENCE = 6
"""Request timeouts that Kafka has to acknowledge one page of events."""

_NAMESPACE = uuid.UUID("7c1b7c0a-4f0d-5b7e-9d55-2b0d5a3e6c11")


def event_id(missing: Missing) -> str:
    """The id of a missing event: the same for the same event, whoever derives it and when."""
    content = orjson.dumps(missing.fields, option=orjson.OPT_SORT_KEYS)
    return f"{RECONCILED}-{uuid.uuid5(_NAMESPACE, f'{missing.event_type} {content.decode()}')}"


def record_of(missing: Missing, source: str) -> Record:
    """The record of a missing event; received now.

    Raises:
        UnusableBody: what Norce tells does not make an event of this type.
    """
    spec = EVENT_TYPES[missing.event_type]
    body = orjson.dumps(missing.fields)
    factory = RecordFactory(source, mint=lambda: event_id(missing))
    record = factory.event(spec, parse(spec, body), body)
    return replace(record, headers=[*record.headers, (ORIGIN_HEADER, RECONCILED.encode())])


class Publisher:
    """Publishes, and returns when every in-sync replica has it."""

    def __init__(self, producer: Producer, request_timeout: float) -> None:
        self._producer = producer
        self._timeout = PATIENCE * request_timeout

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """A publisher with a connection of its own. Raises ``NotPublished`` if no broker answers."""
        producer = Producer(kafka, MAX_RECORD_BYTES, client_id="norce-reconciliation")
        try:
            await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotPublished(error) from error
        try:
            yield cls(producer, kafka.request_timeout)
        finally:
            await producer.close(kafka.request_timeout)

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish events. Raises ``NotPublished``; some of them may have arrived then."""
        await self._send(
            [(record.topic, record.value, record.key, record.timestamp, [*record.headers]) for record in records]
        )

    async def report(self, key: str, value: bytes) -> None:
        """Publish what a sweep came to. Raises ``NotPublished``."""
        await self._send([(RECONCILIATION, value, key.encode(), None, [*JSON_HEADERS])])

    async def _send(
        self, records: Sequence[tuple[str, bytes, bytes | None, int | None, list[tuple[str, bytes]]]]
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.gather(
                    *[
                        await self._producer.send(topic, value, key, timestamp=timestamp, headers=headers)
                        for topic, value, key, timestamp, headers in records
                    ]
                )
        except (KafkaError, TimeoutError) as error:
            raise NotPublished(error) from error
