"""Reading the private topics: whose keys are held, and what an order's record says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.partitions import home
from pipeline.privacy.errors import NothingHeld
from pipeline.privacy.personal import Personal
from pipeline.privacy.requests import RESERVED
from pipeline.privacy.rings import wrapping_of
from pipeline.privacy.sealing import unseal
from pipeline.privacy.topics import ORDERS_PRIVATE, PERSON_KEYS
from pipeline.reading import read_to_end
from pipeline.settings import KafkaSettings, PrivacySettings


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
    async for record in read_to_end(kafka, PERSON_KEYS, range(kafka.partitions)):
        if record.key in RESERVED:
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
    async for record in read_to_end(kafka, topic, partitions):
        if wanted is None or record.key in wanted:
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
    return found
