"""librdkafka's idempotent producer on an event loop.

librdkafka batches, sends and repeats in threads of its own, without Python's lock; that is what makes it cheaper for
each record than a client written in Python. One thread of ours waits for its acknowledgements and hands over to the
loop, at once, all that have come.

It repeats a batch for as long as the trouble may pass (a broker away, too few replicas, a change of leader), at most
``message.timeout.ms``, and connects again by itself. What it does not survive is an error it calls fatal.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, Self

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

_POLL = 0.1
"""Seconds after which the thread that waits for acknowledgements looks whether it should end."""

_LINGER_MS = 0.3
"""Milliseconds that a record waits for others to share its request to the broker.

It costs a lone sender a millisecond or two, as the client's timers are coarse. Without it nearly every record is a
request of its own, whose cost at the broker is what limits many senders first.
"""

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


_Settled = tuple[int, asyncio.Future[Stored], Stored | KafkaException]


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
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._nothing = asyncio.Event()
        self._nothing.set()
        self._settled: list[_Settled] = []
        self._closed = False
        self._thread = threading.Thread(target=self._poll, name="kafka acknowledgements", daemon=True)
        self._thread.start()

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
        acknowledgement: asyncio.Future[Stored] = self._loop.create_future()
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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._producer.purge()
        self._closed = True
        self._thread.join()
        self._producer.close()

    def _poll(self) -> None:
        while not self._closed:
            self._producer.poll(_POLL)
            self._hand_over()
        self._producer.poll(0)  # what was purged
        self._hand_over()

    def _hand_over(self) -> None:
        settled, self._settled = self._settled, []
        if settled:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._settle, settled)

    def _settle(self, settled: list[_Settled]) -> None:
        for number, acknowledgement, result in settled:
            self._outstanding.settle(number, stored=isinstance(result, Stored))
            if acknowledgement.done():
                continue
            if isinstance(result, Stored):
                acknowledgement.set_result(result)
            else:
                acknowledgement.set_exception(result)
        self._waiting -= len(settled)
        if not self._waiting:
            self._nothing.set()

    def _delivered(
        self, number: int, acknowledgement: asyncio.Future[Stored], error: KafkaError | None, message: Any
    ) -> None:
        """Called by librdkafka in the thread that polls."""
        result = (
            Stored(message.topic(), message.partition(), message.offset()) if error is None else KafkaException(error)
        )
        self._settled.append((number, acknowledgement, result))

    def _failed(self, error: KafkaError) -> None:
        """Called by librdkafka in the thread that polls."""
        if error.fatal():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_fatal, self, error)


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
