"""One aiokafka producer: how it is made, asked for its health and thrown away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from pipeline.settings import KafkaSettings

# At debug level it writes the key and value of every record, so whole bodies with personal data, into the log.
logging.getLogger("aiokafka.producer.producer").setLevel(logging.INFO)

METADATA_TIMEOUT = 2.0
"""Seconds that a broker has to answer a question about topics."""

RECORD_OVERHEAD = 65_536
"""Bytes that key, headers and framing may add to the largest body."""


async def start_producer(
    kafka: KafkaSettings, topics: Sequence[str], max_body_bytes: int, *, client_id: str = "norce-webhook"
) -> AIOKafkaProducer:
    """An idempotent producer that waits for every in-sync replica and knows where the topics are.

    Raises:
        KafkaError, TimeoutError: no broker could be reached in time.
    """
    producer = AIOKafkaProducer(
        **kafka.connection(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=int(kafka.request_timeout * 1000),
        max_request_size=max(1_048_576, max_body_bytes + RECORD_OVERHEAD),
    )
    try:
        async with asyncio.timeout(kafka.request_timeout):
            await producer.start()
            await producer.client.set_topics(topics)
    except BaseException:
        await producer.stop()
        raise
    return producer


async def troubles(producer: AIOKafkaProducer, topics: Sequence[str], min_insync: int) -> list[str]:
    """What keeps the producer from writing to the topics right now, as asked from a broker; empty when all is well.

    A topic is in trouble when it does not exist, or when none of its partitions can take a record that every in-sync
    replica acknowledges.
    """
    try:
        async with asyncio.timeout(METADATA_TIMEOUT):
            answered = await producer.client.force_metadata_update()
    except (TimeoutError, KafkaError):
        answered = False
    if not answered:
        return ["no broker answers"]
    # The public methods tell leaders, not replicas.
    partitions = producer.client.cluster._partitions
    found = []
    for topic in topics:
        if topic not in partitions:
            found.append(f"topic {topic} does not exist")
        elif not any(
            partition.leader != -1 and len(partition.isr) >= min(min_insync, len(partition.replicas))
            for partition in partitions[topic].values()
        ):
            found.append(f"topic {topic} has no partition with enough replicas")
    return found


async def discard(producer: AIOKafkaProducer, patience: float) -> None:
    """Stop a producer that may be stuck; what it has not delivered within ``patience`` seconds is dropped.

    Its own ``stop`` is not enough: an idempotent producer of aiokafka repeats a batch until it succeeds, so ``stop``
    waits for ever while the broker is away.
    """
    try:
        async with asyncio.timeout(patience):
            await producer.flush()
    except (TimeoutError, KafkaError):
        pass
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait([sender])
    producer._message_accumulator.fail_all(ProducerClosed())
    await producer.stop()
