"""The configuration that topics have at the broker beside the one of the catalogue: what differs, and setting it right.

aiokafka can only replace a topic's whole configuration, which would reset what somebody else has set. So this asks
through librdkafka, which alters one value at a time (KIP-339). Partitions are never altered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from pipeline.connecting import BrokerUnreachable
from pipeline.settings import KafkaSettings
from pipeline.topics import TopicError, TopicSpec

T = TypeVar("T")

MIN_INSYNC = "min.insync.replicas"
_LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not as the catalogue has it. ``None`` stands for a value that the broker does not know."""

    topic: str
    name: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        return f"{self.topic}: {self.name} is {self.found}, the catalogue says {self.wanted}"


class ConfigurationRefused(TopicError):
    """The broker did not take a topic's configuration."""

    def __init__(self, name: str, cause: object) -> None:
        self.name = name
        super().__init__(f"the broker refused the configuration of topic {name}: {cause}")


class ConfigurationNotSeen(TopicError):
    """The controller took the values, but the broker that was asked went on telling the old ones."""

    def __init__(self, left: Sequence[Difference], seconds: float) -> None:
        self.left = left
        super().__init__(
            f"altered, but after {seconds:g} s the broker still says: {'; '.join(map(str, left))}. "
            "Run it again; if it stays, see whether the broker follows its controller"
        )


class TooFewReplicas(TopicError):
    """Topics have fewer replicas than are to be in sync: once that was set, nothing could be written to them."""

    def __init__(self, found: Mapping[str, int], wanted: str) -> None:
        self.found = found
        topics = ", ".join(f"{name} has {count}" for name, count in found.items())
        super().__init__(
            f"NORCE_KAFKA_MIN_INSYNC_REPLICAS says {wanted}, more than there are replicas: {topics}. "
            "Give the topics more replicas first; nothing was altered"
        )


async def differences(kafka: KafkaSettings, specs: Iterable[TopicSpec]) -> list[Difference]:
    """What the broker has otherwise than the catalogue, of topics that exist.

    Raises:
        BrokerUnreachable, ConfigurationRefused
    """
    return await _ask(kafka, lambda admin: _differences(admin, kafka, list(specs)))


async def update(kafka: KafkaSettings, found: Sequence[Difference]) -> None:
    """Set what differs as the catalogue has it, and wait until the broker tells it so.

    A shorter retention lets the broker delete records.

    Raises:
        TooFewReplicas: before anything is altered.
        ConfigurationNotSeen: the broker took it and tells something else.
        BrokerUnreachable, ConfigurationRefused
    """
    await _ask(kafka, lambda admin: _update(admin, kafka, found))


async def _ask(kafka: KafkaSettings, question: Callable[[AdminClient], T]) -> T:
    def ask() -> T:
        admin = AdminClient(kafka.librdkafka())
        try:
            return question(admin)
        except KafkaException as error:
            raise BrokerUnreachable(kafka.bootstrap_servers, error) from error

    return await asyncio.to_thread(ask)


def _differences(admin: AdminClient, kafka: KafkaSettings, specs: Sequence[TopicSpec]) -> list[Difference]:
    found = _configurations(admin, kafka, [spec.name for spec in specs])
    return [
        Difference(spec.name, name, wanted, value)
        for spec in specs
        for name, wanted in spec.configuration(kafka).items()
        if (value := _value(found[spec.name], name)) != wanted
    ]


def _configurations(admin: AdminClient, kafka: KafkaSettings, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    answers = admin.describe_configs(resources, request_timeout=kafka.request_timeout)
    return {resource.name: _result(resource.name, answer) for resource, answer in answers.items()}


def _update(admin: AdminClient, kafka: KafkaSettings, found: Sequence[Difference]) -> None:
    if not found:
        return
    _check_replicas(admin, kafka, [each for each in found if each.name == MIN_INSYNC])
    entries: dict[str, list[ConfigEntry]] = {}
    for each in found:
        entry = ConfigEntry(each.name, each.wanted, incremental_operation=AlterConfigOpType.SET)
        entries.setdefault(each.topic, []).append(entry)
    resources = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=changed) for name, changed in entries.items()
    ]
    answers = admin.incremental_alter_configs(resources, request_timeout=kafka.request_timeout)
    for resource, answer in answers.items():
        _result(resource.name, answer)
    _await(admin, kafka, found)


def _await(admin: AdminClient, kafka: KafkaSettings, altered: Sequence[Difference]) -> None:
    """Look until the values are told: the controller answers before the brokers have followed it."""
    deadline = time.monotonic() + kafka.request_timeout
    while True:
        now = _configurations(admin, kafka, {each.topic for each in altered})
        values = [(each, _value(now[each.topic], each.name)) for each in altered]
        left = [replace(each, found=value) for each, value in values if value != each.wanted]
        if not left:
            return
        if time.monotonic() > deadline:
            raise ConfigurationNotSeen(left, kafka.request_timeout)
        time.sleep(_LOOK_AGAIN)


def _check_replicas(admin: AdminClient, kafka: KafkaSettings, found: Sequence[Difference]) -> None:
    if not found:
        return
    known = admin.list_topics(timeout=kafka.request_timeout).topics
    replicas = {each.topic: min(len(part.replicas) for part in known[each.topic].partitions.values()) for each in found}
    short = {name: count for name, count in replicas.items() if count < kafka.min_insync_replicas}
    if short:
        raise TooFewReplicas(short, str(kafka.min_insync_replicas))


def _value(entries: Mapping[str, Any], name: str) -> str | None:
    return str(entries[name].value) if name in entries else None


def _result(name: str, answer: Future[Any]) -> Any:
    try:
        return answer.result()
    except KafkaException as error:
        if error.args[0].retriable() or error.args[0].code() < 0:
            raise  # no answer of a broker
        raise ConfigurationRefused(name, error.args[0].str()) from error
