"""Reading topics for a command: from a place to the end as of now, in no consumer group that others could notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline.connecting import why_unreachable
from pipeline.settings import KafkaSettings

POLL_MS = 200


async def read_to_end(
    kafka: KafkaSettings, topic: str, partitions: Iterable[int], since: int | None = None
) -> AsyncIterator[Any]:
    """The records of a topic from its beginning, or from a time in milliseconds since 1970, to its end as of now.

    Raises:
        BrokerUnreachable, CredentialsRefused
    """
    tps = [TopicPartition(topic, number) for number in partitions]
    async with consumer(kafka) as client:
        client.assign(tps)
        ends = await client.end_offsets(tps)
        await client.seek_to_beginning(*tps)
        if since is not None:
            places = await client.offsets_for_times(dict.fromkeys(tps, since))
            for tp in tps:
                found = places.get(tp)
                client.seek(tp, ends[tp] if found is None else found.offset)
        left = set(tps)
        while left := {tp for tp in left if await client.position(tp) < ends[tp]}:
            for records in (await client.getmany(*left, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def consumer(
    kafka: KafkaSettings, group: str | None = None, wait_ms: int = POLL_MS
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer that joins no group and commits nothing. ``group`` is one whose offsets it can look up.

    A broker keeps a fetch for up to ``wait_ms`` while a partition has nothing new, and other fetches behind it.

    Raises:
        BrokerUnreachable, CredentialsRefused
    """
    client = AIOKafkaConsumer(
        **kafka.connection(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=wait_ms,
        request_timeout_ms=int(kafka.request_timeout * 1000),
    )
    try:
        await client.start()
    except (KafkaConnectionError, OSError) as error:
        await client.stop()
        raise await why_unreachable(kafka, error) from error
    try:
        yield client
    finally:
        await client.stop()
