"""Whether the keys of the settings are the ones that were first used under their ids.

A secret that is replaced under the same id breaks nothing that could be seen: everybody just gets other pseudonyms, and
a person who asks to be forgotten is not found. So the first use of an id leaves a check value on a topic of its own,
which tells a key from another one and tells nothing about the key (HMAC-SHA256 under it, cut to 128 bits).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from pipeline.connecting import why_unreachable
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.partitions import home
from pipeline.privacy.errors import ChangedKey
from pipeline.privacy.topics import KEY_CHECKS
from pipeline.reading import read_to_end
from pipeline.settings import KafkaSettings, PrivacySettings, key_bytes


async def confirm(kafka: KafkaSettings, settings: PrivacySettings, *, first_use: bool = False) -> None:
    """Compare the keys of the settings with the first ones under their ids; ``first_use`` enters those that are new.

    Raises:
        ChangedKey: naming every id that has another secret.
        BrokerUnreachable
    """
    checks = _checks(settings)
    known = await _known(kafka)
    _compare(checks, known)
    new = {name: check for name, check in checks.items() if name not in known}
    if new and first_use:
        await _enter(kafka, new)
        first = await _known(kafka)  # another process may have been first, with another secret
        lost = {name: first[name] for name in new if first[name] != new[name]}
        if lost:
            await _enter(kafka, lost)  # the newest record stands after compaction: let it be the first one
        _compare(checks, first)


def _checks(settings: PrivacySettings) -> dict[str, str]:
    rings = {"pseudonym": settings.pseudonym_keys, "encryption": settings.encryption_keys}
    return {
        f"{ring}:{key_id}": hmac.digest(key_bytes(secret), f"norce-pipeline key check {ring}".encode(), "sha256")[
            :16
        ].hex()
        for ring, keys in rings.items()
        for key_id, secret in keys.items()
    }


def _compare(checks: Mapping[str, str], known: Mapping[str, str]) -> None:
    changed = sorted(name for name, check in checks.items() if known.get(name, check) != check)
    if changed:
        raise ChangedKey([_where(name) for name in changed])


def _where(name: str) -> str:
    ring, _, key_id = name.partition(":")
    return f"{key_id!r} of NORCE_PRIVACY_{ring.upper()}_KEYS"


async def _known(kafka: KafkaSettings) -> dict[str, str]:
    """The first check value of each key."""
    known: dict[str, str] = {}
    async for record in read_to_end(kafka, KEY_CHECKS, range(kafka.partitions)):
        if record.value is not None:
            known.setdefault(record.key.decode(), orjson.loads(record.value)["check"])
    return known


async def _enter(kafka: KafkaSettings, checks: Mapping[str, str]) -> None:
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        raise await why_unreachable(kafka, error) from error
    try:
        for name, check in checks.items():
            key, value = name.encode(), orjson.dumps({"check": check})
            partition = home(key, kafka.partitions)
            await producer.send_and_wait(KEY_CHECKS, value, key=key, partition=partition, headers=list(JSON_HEADERS))
    finally:
        await producer.stop()
