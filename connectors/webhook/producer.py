"""aiokafka's idempotent producer: how it is made, asked for its health and thrown away.

It puts the records of all partitions that wait for a broker into one request, and waits with the next request until
that one is answered. So many senders share a request however many partitions their orders fall into, and a lone sender
waits for nobody. librdkafka makes a request for each partition (its issue 1700): for the same records that is several
times the work for the broker.

It repeats a batch for as long as the trouble may pass: a broker away, too few replicas, a change of leader. Two things
it does not survive, and says so through ``on_failed``:

- a batch that is refused for good. Its sequence numbers are used up, and the broker then refuses every later batch of
  that partition as out of order;
- whatever it raises that it does not explain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import RecordMetadata

from connectors.webhook.outstanding import Outstanding
from pipeline.settings import KafkaSettings

# At debug level it writes the key and value of every record, so whole bodies with personal data, into the log.
logging.getLogger("aiokafka.producer.producer").setLevel(logging.INFO)

METADATA_TIMEOUT = 2.0
"""Seconds that a broker has to answer a question about topics."""

RECORD_OVERHEAD = 65_536
"""Bytes that key, headers and framing may add to the largest body."""

_HARMLESS = (MessageSizeTooLargeError, UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
"""What is raised before a record took a sequence number: the producer is as good as before."""

Headers = list[tuple[str, bytes]]

OnFailed = Callable[["Producer", BaseException], None]


class Producer:
    """Sends records; each acknowledgement says that every in-sync replica has one. Made and used on a running loop."""

    def __init__(
        self,
        kafka: KafkaSettings,
        max_body_bytes: int,
        *,
        client_id: str = "norce-webhook",
        outstanding: Outstanding | None = None,
        on_failed: OnFailed = lambda producer, error: None,
    ) -> None:
        self._on_failed = on_failed
        self._outstanding = Outstanding() if outstanding is None else outstanding
        self._connecting = kafka.request_timeout
        self._loop = asyncio.get_running_loop()
        self._producer = AIOKafkaProducer(
            **kafka.connection(),
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=int(kafka.request_timeout * 1000),
            max_request_size=max(1_048_576, max_body_bytes + RECORD_OVERHEAD),
        )

    async def start(self, topics: Sequence[str] = ()) -> None:
        """Connect, and find out where the topics are.

        Raises:
            KafkaError, OSError, TimeoutError: no broker could be reached in time. It is closed then.
        """
        try:
            async with asyncio.timeout(self._connecting):
                await self._producer.start()
                await self._producer.client.set_topics(topics)
        except BaseException:
            await self._producer.stop()
            raise

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        headers: Headers,
        timestamp: int | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Begin to send; the future is done when all in-sync replicas have the record, or with a ``KafkaError``.

        Waits while the partition's batch is full. ``timestamp`` is in milliseconds since 1970, now if there is none.
        The partition is the key's if there is none. A future that is cancelled does not take the record back.

        Raises:
            KafkaError: it cannot be sent.
        """
        try:
            stored = await self._producer.send(
                topic, value, key, partition=partition, timestamp_ms=timestamp, headers=headers
            )
        except _HARMLESS:
            raise
        except Exception as error:
            self._on_failed(self, error)
            raise
        # One of our own: the record is on its way, and a sender that gives up must not hide how that ends.
        acknowledgement: asyncio.Future[RecordMetadata] = self._loop.create_future()
        stored.add_done_callback(partial(self._settle, self._outstanding.add(), acknowledgement))
        return acknowledgement

    def _settle(
        self, number: int, acknowledgement: asyncio.Future[RecordMetadata], stored: asyncio.Future[RecordMetadata]
    ) -> None:
        error = ProducerClosed() if stored.cancelled() else stored.exception()
        self._outstanding.settle(number, stored=error is None)
        if not acknowledgement.done():
            if error is None:
                acknowledgement.set_result(stored.result())
            else:
                acknowledgement.set_exception(error)
        if error is not None:
            self._on_failed(self, error)

    async def troubles(self, topics: Sequence[str], min_insync: int) -> list[str]:
        """What keeps it from writing to the topics right now, as asked from a broker; empty when all is well.

        A topic is in trouble when it does not exist, or when none of its partitions can take a record that every
        in-sync replica acknowledges.
        """
        try:
            async with asyncio.timeout(METADATA_TIMEOUT):
                answered = await self._producer.client.force_metadata_update()
        except (TimeoutError, KafkaError):
            answered = False
        if not answered:
            return ["no broker answers"]
        # The public methods tell leaders, not replicas.
        known = self._producer.client.cluster._partitions
        found = []
        for topic in topics:
            if topic not in known:
                found.append(f"topic {topic} does not exist")
            elif not any(
                partition.leader != -1 and len(partition.isr) >= min(min_insync, len(partition.replicas))
                for partition in known[topic].values()
            ):
                found.append(f"topic {topic} has no partition with enough replicas")
        return found

    async def close(self, patience: float) -> None:
        """Deliver what waits for at most ``patience`` seconds, then drop it: its futures fail.

        The client's own ``stop`` is not enough: it repeats a batch until that succeeds, so ``stop`` waits for ever
        while the broker is away.
        """
        try:
            async with asyncio.timeout(patience):
                await self._producer.flush()
        except (TimeoutError, KafkaError):
            pass
        sender = self._producer._sender.sender_task
        if sender is not None:
            sender.cancel()
            await asyncio.wait([sender])
        self._producer._message_accumulator.fail_all(ProducerClosed())
        await self._producer.stop()
