"""Forgetting a person: the names of the data keys, the request, and the wait until it is carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline import groups
from pipeline.connecting import why_unreachable
from pipeline.privacy.errors import ForgetPending
from pipeline.privacy.identifiers import Identifier
from pipeline.privacy.pseudonyms import Pseudonyms, name
from pipeline.privacy.reading import held_keys
from pipeline.privacy.requests import REQUEST, encode_request
from pipeline.privacy.rings import pseudonyms_of
from pipeline.privacy.topics import FORGET
from pipeline.settings import KafkaSettings, PrivacySettings

LOOK_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Forgot:
    """What was destroyed: the clients that were looked at and the names of the data keys."""

    clients: list[int]
    names: list[str]


def names_of(
    ring: Pseudonyms, clients: Iterable[int], persons: Collection[Identifier], pseudonyms: Collection[str]
) -> set[str]:
    """Every name that the persons' data keys may be kept under."""
    found: set[str] = set()
    for client_id in clients:
        found.update(each for person in persons for each in ring.names(client_id, person))
        found.update(name(client_id, pseudonym) for pseudonym in pseudonyms)
    return found


async def forget(
    kafka: KafkaSettings,
    settings: PrivacySettings,
    persons: Collection[Identifier],
    pseudonyms: Collection[str],
    clients: Collection[int],
    seconds: float,
) -> Forgot:
    """Destroy the data keys of persons and wait until that is done in every partition.

    Without ``clients`` it is done for every client that any data key is held for.

    Raises:
        ForgetPending: the request stands, and the privacy process has not carried it out within ``seconds``.
        BrokerUnreachable
    """
    before = await held_keys(kafka)
    chosen = sorted(set(clients) or {key.client_id for key in before})
    names = names_of(pseudonyms_of(settings), chosen, persons, pseudonyms)
    if not names:
        return Forgot(chosen, [])
    ends = await _ask(kafka, names)
    try:
        async with asyncio.timeout(seconds):
            await _carried_out(kafka, settings.group, ends)
    except TimeoutError:
        raise ForgetPending(settings.group, seconds) from None
    return Forgot(chosen, sorted({key.name for key in before if key.name in names}))


async def _ask(kafka: KafkaSettings, names: Collection[str]) -> dict[TopicPartition, int]:
    """Put the request in every partition; returns the offsets after it."""
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        raise await why_unreachable(kafka, error) from error
    try:
        value = encode_request(names)
        sent = [await producer.send_and_wait(FORGET, value, key=REQUEST, partition=n) for n in range(kafka.partitions)]
    finally:
        await producer.stop()
    return {TopicPartition(FORGET, metadata.partition): metadata.offset + 1 for metadata in sent}


async def _carried_out(kafka: KafkaSettings, group: str, ends: dict[TopicPartition, int]) -> None:
    while True:
        done = await groups.committed(kafka, group, ends)
        if all(done[tp] >= end for tp, end in ends.items()):
            return
        await asyncio.sleep(LOOK_SECONDS)
