"""The published contracts as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.contracts.documents import ASYNCAPI, Kind, Topic, read, read_topics
from pipeline.contracts.inclusion import Schema, alternatives, join
from pipeline.contracts.publishing import PUBLISHED

TOPIC_COLUMNS = ("topic", "tier", "records", "about")
FIELD_COLUMNS = ("record", "field", "type", "meaning")

Row = dict[str, Any]


def published() -> Mapping[str, Topic]:
    """The published topics by name."""
    return read_topics(read(PUBLISHED))


def asyncapi() -> Mapping[str, Any]:
    """The published AsyncAPI document."""
    return read(PUBLISHED)[ASYNCAPI]


def schemas(topic: Topic) -> Mapping[str, Any]:
    """JSON Schema of key, headers and value of each kind of record of a topic."""
    return {name: {"key": kind.key, "headers": kind.headers, "value": kind.value} for name, kind in topic.kinds.items()}


def topic_rows(topics: Iterable[Topic]) -> list[Row]:
    """One row per topic."""
    return [
        {
            "topic": topic.name,
            "tier": topic.tier,
            "records": ", ".join(topic.kinds) or "private layout",
            "about": topic.description,
        }
        for topic in topics
    ]


def field_rows(topic: Topic) -> list[Row]:
    """One row per field of each kind of record, in the order of the record."""
    return [row for name, kind in topic.kinds.items() for row in _rows(name, kind)]


def _rows(name: str, kind: Kind) -> Iterator[Row]:
    if kind.value is None:
        yield {"record": name, "field": "", "type": "bytes", "meaning": "any"}
        return
    for path, field, optional in _fields(kind.value, kind.value, ""):
        shown = _type(field, kind.value) + (", may be absent" if optional else "")
        yield {"record": name, "field": path, "type": shown, "meaning": field.get("description", "")}


def _fields(schema: Any, root: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    for one in alternatives(schema, root):
        for name, field in one.get("properties", {}).items():
            yield join(path, name), field, name not in one.get("required", ())
            yield from _fields(field, root, join(path, name))
        if isinstance(one.get("items"), dict):
            yield from _fields(one["items"], root, f"{path}[]")
        if isinstance(one.get("additionalProperties"), dict):
            yield from _fields(one["additionalProperties"], root, f"{path}{{}}")


def _type(schema: Any, root: Schema) -> str:
    found = [_name(one, root) for one in alternatives(schema, root)]
    return "any" if len(found) > 5 else " or ".join(dict.fromkeys(found))


def _name(one: Schema, root: Schema) -> str:
    if "enum" in one:
        return " or ".join("null" if value is None else str(value) for value in one["enum"])
    if one["type"] == "array":
        return f"list of {_type(one.get('items', True), root)}"
    if one["type"] == "object" and isinstance(one.get("additionalProperties"), dict):
        return f"map to {_type(one['additionalProperties'], root)}"
    return "text" if one["type"] == "string" else str(one["type"])
