"""Reading the private topics: whose keys are held, and what an order's record says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline.partitions import home
from pipeline.privacy.errors import NothingHeld
from pipeline.privacy.personal import Personal
from pipeline.privacy.requests import TICK
from pipeline.privacy.rings import wrapping_of
from pipeline.privacy.sealing import unseal
from pipeline.privacy.topics import ORDERS_PRIVATE, PERSON_KEYS
from pipeline.settings import KafkaSettings, PrivacySettings
from pipeline.topics import BrokerUnreachable

POLL_MS = 200


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A data key that is held: its name, and the partition it is held in."""

    name: str
    partition: int

    @property
    def client_id(self) -> int:
        return int(self.name.partition(":")[0])


async def held_keys(kafka: KafkaSettings) -> set[HeldKey]:
    """Every data key that is held. Reads the whole compacted topic.

    Raises:
        BrokerUnreachable
    """
    held: set[HeldKey] = set()
    async for record in _read(kafka, PERSON_KEYS, range(kafka.partitions)):
        if record.key == TICK:
            continue
        key = HeldKey(record.key.decode(), record.partition)
        if record.value is None:
            held.discard(key)
        else:
            held.add(key)
    return held


async def reveal(kafka: KafkaSettings, settings: PrivacySettings, key: str) -> Personal:
    """The personal values of an order, by its key.

    Raises:
        NothingHeld, Forgotten, UnknownEncryptionKey, WrongEncryptionKey, BrokenSeal, BrokerUnreachable
    """
    partition = [home(key.encode(), kafka.partitions)]
    record = await _newest(kafka, ORDERS_PRIVATE, partition, [key.encode()])
    if key.encode() not in record:
        raise NothingHeld(key)
    keys = await _newest(kafka, PERSON_KEYS, partition, None)
    wrapping = wrapping_of(settings, os.urandom)

    def key_of(name: str) -> Any:
        stored = keys.get(name.encode())
        return None if stored is None else wrapping.unwrap(name, stored)[0]

    return unseal(key, record[key.encode()], key_of)


async def _newest(
    kafka: KafkaSettings, topic: str, partitions: Iterable[int], wanted: Iterable[bytes] | None
) -> dict[bytes, bytes]:
    """The newest values of the wanted keys, or of all."""
    found: dict[bytes, bytes] = {}
    async for record in _read(kafka, topic, partitions):
        if wanted is None or record.key in wanted:
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
    return found


async def _read(kafka: KafkaSettings, topic: str, partitions: Iterable[int]) -> AsyncIterator[Any]:
    """The records of a topic from its beginning to its end as of now."""
    tps = [TopicPartition(topic, number) for number in partitions]
    async with _consumer(kafka) as consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        left = set(tps)
        while left := {tp for tp in left if await consumer.position(tp) < ends[tp]}:
            for records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def _consumer(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **kafka.connection(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=POLL_MS,
        request_timeout_ms=int(kafka.request_timeout * 1000),
    )
    try:
        await consumer.start()
    except (KafkaConnectionError, OSError) as error:
        await consumer.stop()
        raise BrokerUnreachable(kafka.bootstrap_servers, error) from error
    try:
        yield consumer
    finally:
        await consumer.stop()
