"""librdkafka's idempotent producer on an event loop.

librdkafka batches, sends and repeats in threads of its own, without Python's lock; that is what makes it several times
cheaper for each record than a client written in Python. Its acknowledgements are fetched by the loop itself, every
millisecond while records wait: a thread that waited for them would have to take the lock from the loop each time.

It repeats a batch for as long as the trouble may pass (a broker away, too few replicas, a change of leader), at most
``message.timeout.ms``, and connects again by itself. What it does not survive is an error it calls fatal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, NoReturn, Self

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from connectors.webhook.outstanding import Outstanding
from pipeline.settings import KafkaSettings

METADATA_TIMEOUT = 2.0
"""Seconds that a broker has to answer a question about topics."""

RECORD_OVERHEAD = 65_536
"""Bytes that key, headers and framing may add to the largest body."""

GIVEN_UP_AFTER = 3
"""Request timeouts after which a record that is not acknowledged is dropped; its sender was told so long before."""

CLOSE_TIMEOUT = 1.0
"""Seconds that connections get to close."""

_ANY = -1
"""Partition that stands for the one of the key."""

_POLL = 0.001
"""Seconds between two looks for acknowledgements while records wait."""

_LINGER_MS = 1
"""Milliseconds that a record waits for others to share its request. Without it each costs the broker a request."""

_MAX_WAITING_KIB = 262_144
"""KiB of records that wait for Kafka; a record beyond them is refused."""

_RECONNECT_MAX_MS = 1000
"""Milliseconds between two attempts to reach a broker, at most."""


Headers = list[tuple[str, bytes]]


class Stored(NamedTuple):
    """Where Kafka put a record."""

    topic: str
    partition: int
    offset: int


class Producer:
    """Sends records; each acknowledgement says that every in-sync replica has one. Made and used on a running loop."""

    def __init__(
        self,
        kafka: KafkaSettings,
        max_body_bytes: int,
        *,
        client_id: str = "norce-webhook",
        outstanding: Outstanding | None = None,
        on_fatal: Callable[[Producer, KafkaError], None] = lambda producer, error: None,
    ) -> None:
        self._on_fatal = on_fatal
        self._outstanding = Outstanding() if outstanding is None else outstanding
        self._producer = confluent_kafka.Producer(
            {
                **kafka.librdkafka(),
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": _LINGER_MS,
                # The partition that every other Kafka client puts a key into.
                "partitioner": "murmur2_random",
                "request.timeout.ms": int(kafka.request_timeout * 1000),
                "message.timeout.ms": int(GIVEN_UP_AFTER * kafka.request_timeout * 1000),
                "message.max.bytes": max(1_048_576, max_body_bytes + RECORD_OVERHEAD),
                "queue.buffering.max.kbytes": _MAX_WAITING_KIB,
                "reconnect.backoff.max.ms": _RECONNECT_MAX_MS,
                "error_cb": self._failed,
            }
        )
        self._waiting = 0
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._nothing.set()
        self._polling = asyncio.create_task(self._poll(), name="kafka acknowledgements")

    @classmethod
    @asynccontextmanager
    async def connected(cls, kafka: KafkaSettings, max_body_bytes: int, *, client_id: str) -> AsyncIterator[Self]:
        """A producer that has reached a broker, and that delivers what is sent before it is closed.

        Raises:
            KafkaException: no broker could be reached in time.
        """
        producer = cls(kafka, max_body_bytes, client_id=client_id)
        try:
            await producer.topics(kafka.request_timeout)
            yield producer
        finally:
            await producer.close(kafka.request_timeout)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        headers: Headers,
        timestamp: int | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Stored]:
        """Begin to send; the future is done when all in-sync replicas have the record, or with a ``KafkaException``.

        ``timestamp`` is in milliseconds since 1970, now if there is none. The partition is the key's if there is none.
        A future that is cancelled does not take the record back.

        Raises:
            KafkaException, BufferError: it cannot be sent, being too large, or with too many waiting.
        """
        acknowledgement: asyncio.Future[Stored] = self._polling.get_loop().create_future()
        number = self._outstanding.add()
        try:
            self._producer.produce(
                topic,
                value,
                key,
                _ANY if partition is None else partition,
                partial(self._delivered, number, acknowledgement),
                timestamp=timestamp or 0,
                headers=headers,  # type: ignore[arg-type]  # a list of its own kind, which is not changed
            )
        except BaseException:
            self._outstanding.settle(number, stored=False)
            raise
        self._waiting += 1
        self._something.set()
        self._nothing.clear()
        return acknowledgement

    async def topics(self, seconds: float = METADATA_TIMEOUT) -> dict[str, Any]:
        """What a broker says of each topic right now. Raises ``KafkaException`` if none answers in that time."""
        found: dict[str, Any] = (await asyncio.to_thread(self._producer.list_topics, timeout=seconds)).topics
        return found

    async def close(self, patience: float) -> None:
        """Deliver what waits for at most ``patience`` seconds, then drop it: its futures fail."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._nothing.wait()
        self._polling.cancel()
        self._producer.purge()
        self._producer.poll(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.to_thread(self._producer.close)

    async def _poll(self) -> NoReturn:
        while True:
            await self._something.wait()
            while self._waiting:
                self._producer.poll(0)
                await asyncio.sleep(_POLL)
            self._something.clear()
            self._nothing.set()

    def _delivered(
        self, number: int, acknowledgement: asyncio.Future[Stored], error: KafkaError | None, message: Any
    ) -> None:
        self._waiting -= 1
        self._outstanding.settle(number, stored=error is None)
        if acknowledgement.done():
            return
        if error is None:
            acknowledgement.set_result(Stored(message.topic(), message.partition(), message.offset()))
        else:
            acknowledgement.set_exception(KafkaException(error))

    def _failed(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_fatal(self, error)


async def troubles(producer: Producer, topics: Sequence[str], min_insync: int) -> list[str]:
    """What keeps the producer from writing to the topics right now, as asked from a broker; empty when all is well.

    A topic is in trouble when it does not exist, or when none of its partitions can take a record that every in-sync
    replica acknowledges.
    """
    try:
        known = await producer.topics()
    except KafkaException:
        return ["no broker answers"]
    found = []
    for topic in topics:
        if topic not in known or known[topic].error is not None:
            found.append(f"topic {topic} does not exist")
        elif not any(
            partition.leader != -1 and len(partition.isrs) >= min(min_insync, len(partition.replicas))
            for partition in known[topic].partitions.values()
        ):
            found.append(f"topic {topic} has no partition with enough replicas")
    return found
