"""The contracts as documents: the AsyncAPI document and a JSON Schema per record, by file name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.contracts.asyncapi import asyncapi
from pipeline.contracts.bindings import CATALOGUE, messages
from pipeline.contracts.inclusion import Schema, referred
from pipeline.topics import TopicSpec

Documents = Mapping[str, Mapping[str, Any]]
"""File name, with ``/`` between folders, to content."""

ASYNCAPI = "asyncapi.json"


def documents(version: str, catalogue: Iterable[TopicSpec] = CATALOGUE) -> Documents:
    """The contracts as the code has them. Raises ``UnboundTopic``."""
    catalogue = tuple(catalogue)
    schemas = {
        f"schemas/{kind.name}.json": kind.value
        for topic in catalogue
        for kind in messages(topic)
        if kind.value is not None
    }
    return {ASYNCAPI: asyncapi(catalogue, version), **schemas}


def read(folder: Path) -> Documents:
    """The documents in a folder; empty if there are none."""
    files = sorted(folder.rglob("*.json"))
    return {path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in files}


def write(folder: Path, found: Documents) -> None:
    """Make a folder hold these documents and no others."""
    for path in folder.rglob("*.json"):
        if path.relative_to(folder).as_posix() not in found:
            path.unlink()
    for name, content in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def version(found: Documents) -> str | None:
    """The version of the contract; ``None`` if there are no documents."""
    return str(found[ASYNCAPI]["info"]["version"]) if ASYNCAPI in found else None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record."""

    key: Schema | None
    headers: Schema
    value: Schema | None
    content_type: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the documents describe it."""

    name: str
    description: str
    tier: str
    cleanup: str
    retention_ms: int | None
    kinds: Mapping[str, Kind]


def read_topics(found: Documents) -> dict[str, Topic]:
    """The topics that documents describe."""
    if ASYNCAPI not in found:
        return {}
    whole = dict(found[ASYNCAPI])
    return {name: _topic(channel, whole, found) for name, channel in whole["channels"].items()}


def _topic(channel: Mapping[str, Any], whole: Schema, found: Documents) -> Topic:
    configuration = channel["bindings"]["kafka"]["topicConfiguration"]
    return Topic(
        name=channel["address"],
        description=channel["description"],
        tier=channel.get("x-tier", "public"),
        cleanup=",".join(configuration["cleanup.policy"]),
        retention_ms=configuration.get("retention.ms"),
        kinds={
            name: _kind(referred(message["$ref"], whole), whole, found) for name, message in channel["messages"].items()
        },
    )


def _kind(message: Mapping[str, Any], whole: Schema, found: Documents) -> Kind:
    payload = message.get("payload")
    return Kind(
        key=message.get("bindings", {}).get("kafka", {}).get("key"),
        headers=message["headers"],
        value=None if payload is None else dict(found[payload["$ref"]]),
        content_type=message.get("contentType", whole["defaultContentType"]),
    )
