"""The record of a dead letter: what could not be joined or delivered, why, and where it came from."""

from __future__ import annotations

import base64
import time
import traceback
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pipeline.domain.ids import content_id
from pipeline.outgoing import Outgoing

JSON_HEADERS = (("content-type", b"application/json"),)
"""Headers of every JSON record of ours."""

MAX_FRAMES = 30
"""Frames kept of a trace, the innermost."""

MAX_VALUE_BYTES = 128 * 1024
"""Bytes of a record's value above which its letter leaves it out, so that the letter stays one that Kafka takes however
it is escaped. The connector takes bodies of half of that."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:norce-pipeline:dead-letter")


def dead_letter(record: Any, reason: str, *, stage: str, **details: Any) -> Outgoing:
    """A dead letter about a consumed record, under the same key.

    The value is a JSON object: ``id``, ``reason``, ``stage``, ``source`` (``topic``, ``partition``, ``offset``,
    ``timestamp`` in milliseconds, ``headers``, ``key`` and ``value``; bytes that are not UTF-8 stand as
    ``{"base64": ...}``, a value over ``MAX_VALUE_BYTES`` as ``None``), ``died_at`` in milliseconds since 1970, and what
    ``details`` adds, such as ``request`` and ``answer``.
    """
    value = {
        "id": letter_id(record, stage),
        "reason": reason,
        "stage": stage,
        **details,
        "source": {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "headers": {name: _plain(content) for name, content in record.headers},
            "key": _plain(record.key),
            "value": None if len(record.value or b"") > MAX_VALUE_BYTES else _plain(record.value),
        },
        "died_at": int(time.time() * 1000),
    }
    return Outgoing(record.key or b"", orjson.dumps(value), JSON_HEADERS)


def letter_id(record: Any, stage: str) -> str:
    """The id of a record's letter: the same however often the record is read, so a letter that is written again after
    a crash is seen to be the same one."""
    place = [stage, record.topic, record.partition, record.offset, record.timestamp]
    return content_id(_NAMESPACE, orjson.dumps(place))


def trace_of(error: BaseException) -> list[str]:
    """Where an error came from, the innermost frame last: file, line, function and the line of code.

    No message of an error is in it, because a message may repeat what an event says of a person.
    """
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    lines = [
        f"{_short(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line or ''}".rstrip() for frame in frames
    ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return lines if cause is None else [*trace_of(cause)[-MAX_FRAMES:], f"then {type(error).__name__}", *lines]


def _short(path: str) -> str:
    """A path without the folders that only say where this is installed."""
    parts = Path(path).parts
    roots = [n for n, part in enumerate(parts) if part in {"pipeline", "connectors", "tests", "site-packages"}]
    return "/".join(parts[roots[-1] :]) if roots else path


def _plain(data: bytes | None) -> str | Mapping[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
