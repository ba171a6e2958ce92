"""Publishes records on Kafka and says whether every in-sync replica has them.

aiokafka's idempotent producer repeats a batch for as long as the trouble may pass: a broker away, too few replicas, a
change of leader. It does not survive two things, so a producer is replaced by a fresh one when they happen:

- a batch that is refused for good. Its sequence numbers are used up, and the broker then refuses every later batch of
  that partition as out of order;
- a record that is not acknowledged for long. Either its batch was lost inside the client or all brokers moved.

A record that was waited for too long is not taken back: it may still arrive, and once more when Norce repeats it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.structs import RecordMetadata

from connectors.webhook.errors import NotAcknowledged, Trouble
from connectors.webhook.metrics import Metrics
from connectors.webhook.outstanding import Acknowledgement, Outstanding
from connectors.webhook.producer import discard, start_producer, troubles
from connectors.webhook.records import Headers, Record
from connectors.webhook.traces import send_span
from pipeline import tracing
from pipeline.settings import KafkaSettings, WebhookSettings
from pipeline.tracing import messages

log = structlog.get_logger(__name__)

RECONNECT_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to reach a broker; the last one repeats."""

STUCK_AFTER = 3
"""Request timeouts that a record may wait before its producer is replaced."""

CLOSE_TIMEOUT = 1.0
"""Seconds that connections get to close when the process stops."""

LOOK_EVERY = 1.0
"""Seconds between two looks at how long records wait."""

_HARMLESS = (MessageSizeTooLargeError, UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
"""What ``send`` raises before the record took a sequence number: the producer is as good as before."""


class Publisher:
    """Keeps one working producer, whatever happens to Kafka."""

    def __init__(
        self,
        kafka: KafkaSettings,
        webhook: WebhookSettings,
        topics: Sequence[str],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._timeout = webhook.produce_timeout
        self._max_body_bytes = webhook.max_body_bytes
        self._topics = topics
        self._metrics = metrics
        self._clock = clock
        self._outstanding = Outstanding(clock)
        self._producer: AIOKafkaProducer | None = None
        self._connected = asyncio.Event()
        self._broken = asyncio.Event()
        self._unreachable: str | None = None
        self._troubled = False
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def unacknowledged(self) -> int:
        """Records that Kafka has still to acknowledge, those included that nobody waits for any more."""
        return len(self._outstanding)

    async def run(self) -> NoReturn:
        """Keep a working producer. A Kafka that is not there yet is waited for; records are refused until it is."""
        while True:
            producer = await self._connect()
            self._broken.clear()
            self._producer, self._unreachable = producer, None
            self._connected.set()
            self._metrics.producers.inc()
            found = await troubles(producer, self._topics, self._kafka.min_insync_replicas)
            log.info("connected to kafka", bootstrap_servers=self._kafka.bootstrap_servers, troubles=found)
            await self._until_broken(producer)

    async def close(self, patience: float) -> None:
        """Deliver what is outstanding for at most ``patience`` seconds, then drop it: its senders were told 503.

        ``run`` must have been cancelled before.
        """
        if self._producer is not None:
            self._retire(self._producer, patience)
            self._producer = None
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=patience + CLOSE_TIMEOUT)

    async def publish(self, record: Record) -> None:
        """Return when every in-sync replica has the record.

        Raises:
            NotAcknowledged: that did not happen within the produce timeout, or cannot happen now.
        """
        started = self._clock()
        with send_span(record) as span:
            headers = tracing.with_context(record.headers, span)
            messages.note_sent(span, record.topic, record.key, headers)
            stored = await self._publish(record, headers)
            messages.note_stored(span, stored.partition, stored.offset)
        self._metrics.produce_seconds.observe(self._clock() - started)

    async def troubles(self) -> list[str]:
        """What keeps records from being taken, as found out right now; empty when the connector can produce."""
        producer = self._producer
        if producer is None:
            return [self._unreachable or "connecting to Kafka"]
        if self._outstanding.silence > self._timeout:
            return ["Kafka acknowledges nothing"]
        return await troubles(producer, self._topics, self._kafka.min_insync_replicas)

    async def _publish(self, record: Record, headers: Headers) -> RecordMetadata:
        try:
            async with asyncio.timeout(self._timeout):
                producer = self._producer or await self._next_producer()
                return await self._send(producer, record, headers)
        except TimeoutError:
            raise self._not_acknowledged(Trouble.LATE, "no acknowledgement in time") from None
        except NotAcknowledged:
            raise
        except Exception as error:  # whatever it is: the record is not known to be in Kafka
            raise self._not_acknowledged(Trouble.REFUSED, repr(error)) from error

    async def _send(self, producer: AIOKafkaProducer, record: Record, headers: Headers) -> RecordMetadata:
        try:
            acknowledgement: Acknowledgement = await producer.send(
                record.topic, record.value, record.key, timestamp_ms=record.timestamp, headers=headers
            )
        except _HARMLESS:
            raise
        except Exception as error:
            self._condemn(producer, error)
            raise
        self._outstanding.add(acknowledgement)
        acknowledgement.add_done_callback(lambda done: self._settle(producer, done))
        # Shielded: the record is on its way, and a sender that is told 503 must not hide how that ends.
        return await asyncio.shield(acknowledgement)

    def _settle(self, producer: AIOKafkaProducer, acknowledgement: Acknowledgement) -> None:
        error = self._outstanding.settle(acknowledgement)
        if error is not None:
            self._condemn(producer, error)
        elif self._troubled:
            self._troubled = False
            log.info("kafka acknowledges again")

    def _condemn(self, producer: AIOKafkaProducer, error: BaseException | str) -> None:
        if producer is self._producer:
            log.error("kafka producer is replaced", reason=str(error) or repr(error))
            self._broken.set()
            self._producer = None
            self._connected.clear()
            self._retire(producer, self._timeout)

    async def _next_producer(self) -> AIOKafkaProducer:
        if self._unreachable is not None:
            raise self._not_acknowledged(Trouble.UNREACHABLE, self._unreachable)
        await self._connected.wait()
        if self._producer is None:
            raise self._not_acknowledged(Trouble.UNREACHABLE, "the connection was lost again")
        return self._producer

    def _not_acknowledged(self, trouble: Trouble, detail: str) -> NotAcknowledged:
        self._metrics.not_acknowledged.labels(trouble).inc()
        if not self._troubled:  # once, not for every request of an outage
            self._troubled = True
            log.error("kafka does not acknowledge", trouble=trouble, detail=detail)
        return NotAcknowledged(trouble, detail)

    async def _connect(self) -> AIOKafkaProducer:
        attempt = 0
        while True:
            try:
                return await start_producer(self._kafka, self._topics, self._max_body_bytes)
            except Exception as error:  # nothing that goes wrong here may end the attempts
                self._unreachable = f"no Kafka broker answers at {self._kafka.bootstrap_servers}"
                log.error("kafka is unreachable", reason=self._unreachable, error=repr(error), attempt=attempt + 1)
            await asyncio.sleep(RECONNECT_PAUSES[min(attempt, len(RECONNECT_PAUSES) - 1)])
            attempt += 1

    async def _until_broken(self, producer: AIOKafkaProducer) -> None:
        longest = STUCK_AFTER * self._kafka.request_timeout
        while not self._broken.is_set():
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._broken.wait()
            except TimeoutError:
                if self._outstanding.longest_wait > longest:
                    self._condemn(producer, f"a record was not acknowledged for {longest:g} s")

    def _retire(self, producer: AIOKafkaProducer, patience: float) -> None:
        task = asyncio.create_task(discard(producer, patience))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
