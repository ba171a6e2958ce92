"""Publishes records on Kafka and says whether every in-sync replica has them.

A record that was waited for too long is not taken back: it may still arrive, and once more when Norce repeats it. Kafka
is connected to again by the producer itself. A producer is replaced by a fresh one when it met an error that it cannot
survive, and when a record is not acknowledged for long: its batch may be lost inside the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog
from aiokafka.structs import RecordMetadata

from connectors.webhook.crowd import Crowd
from connectors.webhook.errors import NotAcknowledged, Trouble
from connectors.webhook.metrics import Metrics
from connectors.webhook.outstanding import Outstanding
from connectors.webhook.patience import Patience
from connectors.webhook.producer import Producer
from connectors.webhook.records import Headers, Record
from connectors.webhook.traces import send_span
from pipeline import tracing
from pipeline.settings import KafkaSettings, WebhookSettings
from pipeline.tracing import messages

log = structlog.get_logger(__name__)

RECONNECT_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to reach a broker; the last one repeats."""

STUCK_AFTER = 3
"""Request timeouts that a record may wait before its producer is replaced; its sender was told so long before."""

LOOK_EVERY = 1.0
"""Seconds between two looks at how long records wait."""

CLOSE_TIMEOUT = 1.0
"""Seconds that connections get to close."""


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
        self._patience = Patience(webhook.produce_timeout)
        self._crowd = Crowd()
        self._producer: Producer | None = None
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
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._patience.run(), name="late records")
            while True:
                producer = await self._connect()
                self._broken.clear()
                self._producer, self._unreachable = producer, None
                self._connected.set()
                self._metrics.producers.inc()
                found = await producer.troubles(self._topics, self._kafka.min_insync_replicas)
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
        found = await producer.troubles(self._topics, self._kafka.min_insync_replicas)
        if not found and self._outstanding.silence > self._timeout:
            return ["Kafka acknowledges nothing"]
        return found

    async def _publish(self, record: Record, headers: Headers) -> RecordMetadata:
        try:
            with self._patience.wait():
                await self._crowd.join(len(self._outstanding))
                producer = self._producer or await self._next_producer()
                acknowledgement = await producer.send(
                    record.topic, record.value, record.key, timestamp=record.timestamp, headers=headers
                )
                stored = await acknowledgement
        except TimeoutError:
            raise self._not_acknowledged(Trouble.LATE, "no acknowledgement in time") from None
        except NotAcknowledged:
            raise
        except Exception as error:  # whatever it is: the record is not known to be in Kafka
            raise self._not_acknowledged(Trouble.REFUSED, repr(error)) from error
        if self._troubled:
            self._troubled = False
            log.info("kafka acknowledges again")
        return stored

    def _condemn(self, producer: Producer, error: BaseException | str) -> None:
        if producer is self._producer:
            log.error("kafka producer is replaced", reason=str(error) or repr(error))
            self._producer = None
            self._connected.clear()
            self._broken.set()
            self._retire(producer, self._timeout)

    async def _next_producer(self) -> Producer:
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

    async def _connect(self) -> Producer:
        attempt = 0
        while True:
            try:
                return await self._reached()
            except Exception as error:  # nothing that goes wrong here may end the attempts
                self._unreachable = f"no Kafka broker answers at {self._kafka.bootstrap_servers}"
                log.error("kafka is unreachable", reason=self._unreachable, error=repr(error), attempt=attempt + 1)
            await asyncio.sleep(RECONNECT_PAUSES[min(attempt, len(RECONNECT_PAUSES) - 1)])
            attempt += 1

    async def _reached(self) -> Producer:
        producer = Producer(self._kafka, self._max_body_bytes, outstanding=self._outstanding, on_failed=self._condemn)
        await producer.start(self._topics)
        return producer

    async def _until_broken(self, producer: Producer) -> None:
        longest = STUCK_AFTER * self._kafka.request_timeout
        while not self._broken.is_set():
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._broken.wait()
            except TimeoutError:
                if self._outstanding.longest_wait > longest:
                    self._condemn(producer, f"a record was not acknowledged for {longest:g} s")

    def _retire(self, producer: Producer, patience: float) -> None:
        task = asyncio.create_task(producer.close(patience))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
