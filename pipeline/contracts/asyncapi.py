"""The AsyncAPI 3 document of all topics. Values stand in files of their own, which it refers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.contracts.bindings import Message, messages, retention_ms
from pipeline.topics import Cleanup, TopicSpec

VERSION = "3.0.0"
KAFKA_BINDING = "0.5.0"

_ABOUT = """\
What norce-pipeline publishes on Kafka, made from its code.

Readers must ignore fields and headers that they do not know, and skip records whose ce_type they do not know: both may
be added at any time. Everything else that could break a reader raises the first number of the version, and the
changelog says why.

All topics have the same number of partitions, which is a setting of the installation. Records of one key are in one
partition, in the order in which they were written. A record may be written again after a crash: with the same id where
it has one. In a compacted topic the newest record of a key stands for all before it, and a record without a value says
that the key is gone.

A topic is public, which everybody in the company may read, or private (x-tier), which those may whom x-readers names.
The broker's access control has to say the same. Changelogs are listed with no records: their layout is private to one
process and may change at any time. They begin with the process's consumer group, which is a setting.

An installation with a schema registry puts the id of the schema before the values that its worker makes, in Confluent's
wire format: a zero byte, four bytes of id, and then the JSON. The header content-type of such a record says
application/vnd.confluent.json, because its value is no JSON."""


def asyncapi(catalogue: Iterable[TopicSpec], version: str) -> dict[str, Any]:
    """The document, in which ``version`` is the contract's."""
    bound = {topic.name: (topic, messages(topic)) for topic in catalogue}
    return {
        "asyncapi": VERSION,
        "info": {"title": "norce-pipeline", "version": version, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic, kinds) for name, (topic, kinds) in bound.items()},
        "operations": {
            f"publish {name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{kind.name}"} for kind in kinds],
            }
            for name, (_, kinds) in bound.items()
            if kinds
        },
        "components": {"messages": {kind.name: _message(kind) for _, kinds in bound.values() for kind in kinds}},
    }


def _channel(topic: TopicSpec, kinds: Iterable[Message]) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup.value]}
    kept = retention_ms(topic)
    if kept is not None:
        configuration["retention.ms"] = kept
    lasting = (
        "The newest record of each key is kept for good."
        if topic.cleanup is Cleanup.COMPACT
        else f"Records are kept for {kept // 86_400_000} days."
        if kept is not None
        else "Records are kept for as long as the broker's own setting says."
    )
    if topic.bodies:
        lasting = f"{lasting[:-1]}, unless NORCE_KAFKA_BODY_RETENTION_DAYS says otherwise."
    read_by = {"x-readers": topic.readers} if topic.readers else {}
    if topic.readers:
        lasting += f" Private, for {topic.readers}."
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.purpose[0].upper()}{topic.purpose[1:]}. Key: {topic.key}. {lasting}",
        "x-tier": topic.tier.value,
        **read_by,
        "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in kinds},
        "bindings": {
            "kafka": {"topic": topic.name, "topicConfiguration": configuration, "bindingVersion": KAFKA_BINDING}
        },
    }


def _message(kind: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"name": kind.name, "title": kind.name, "summary": kind.summary}
    if kind.description:
        found["description"] = kind.description
    if kind.value is None:
        found["contentType"] = "application/octet-stream"
    found["headers"] = kind.headers
    if kind.value is not None:
        found["payload"] = {"$ref": f"schemas/{kind.name}.json"}
    if kind.key is not None:
        found["bindings"] = {"kafka": {"key": kind.key, "bindingVersion": KAFKA_BINDING}}
    return found
