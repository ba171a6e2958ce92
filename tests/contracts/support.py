"""Records held against the published contracts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from pipeline.contracts import PUBLISHED, read, read_topics
from pipeline.contracts.documents import Kind, Topic


class Written(NamedTuple):
    """A record as it is on a topic."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def kind_of(record: Written) -> str:
    """The kind of record that the published contract of its topic takes it for; fails if it is none of them."""
    problems = {name: list(_problems(kind, record)) for name, kind in _published()[record.topic].kinds.items()}
    fitting = [name for name, found in problems.items() if not found]
    assert len(fitting) == 1, (record, problems)
    return fitting[0]


def _problems(kind: Kind, record: Written) -> Iterable[str]:
    headers = {name: value.decode() for name, value in record.headers}
    yield from _misses(kind.headers, headers)
    if kind.key is None:
        yield from () if record.key is None else ("there is a key",)
    else:
        yield from _misses(kind.key, record.key.decode() if record.key is not None else None)
    if kind.value is not None:
        yield from _misses(kind.value, json.loads(record.value))


def _misses(schema: dict[str, Any], value: Any) -> Iterable[str]:
    return (f"{error.json_path}: {error.message}" for error in _validator(json.dumps(schema)).iter_errors(value))


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


@cache
def _published() -> Mapping[str, Topic]:
    return read_topics(read(PUBLISHED))
