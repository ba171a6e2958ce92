"""Reading topics for a command: from a place to the end as of now, in no consumer group that others could notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline.connecting import why_unreachable
from pipeline.settings import KafkaSettings

if TYPE_CHECKING:  # what draws it is not needed by processes
    from pipeline.progress import Progress

POLL_MS = 200


async def read_to_end(
    kafka: KafkaSettings,
    topic: str,
    partitions: Iterable[int],
    since: int | None = None,
    progress: Progress | None = None,
) -> AsyncIterator[Any]:
    """The records of a topic from its beginning, or from a time in milliseconds since 1970, to its end as of now.

    ``progress`` counts offsets: how many of them a compacted topic has records at, nobody knows before.

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
        unread = await _unread(client, ends)
        if progress is not None:
            progress.begin(f"reading {topic}", sum(unread.values()))
        while unread:
            for records in (await client.getmany(*unread, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record
            before, unread = unread, await _unread(client, ends)
            if progress is not None:
                progress.advance(sum(before.values()) - sum(unread.values()))


async def _unread(client: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """How many offsets lie ahead in each partition that has any."""
    ahead = {tp: end - await client.position(tp) for tp, end in ends.items()}
    return {tp: count for tp, count in ahead.items() if count > 0}


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
