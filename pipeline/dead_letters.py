"""The record of a dead letter: what could not be joined or delivered, why, and where it came from."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.engine import Outgoing

JSON_HEADERS = (("content-type", b"application/json"),)
"""Headers of every JSON record of ours."""


def dead_letter(record: Any, reason: str, **details: Any) -> Outgoing:
    """A dead letter about a consumed record, under the same key.

    The value is a JSON object: ``reason``, ``source`` (``topic``, ``partition``, ``offset``, ``timestamp`` in
    milliseconds, ``headers``, ``key`` and ``value``; bytes that are not UTF-8 stand as ``{"base64": ...}``),
    ``died_at`` in milliseconds since 1970, and what ``details`` adds, such as ``request`` and ``answer``.
    """
    value = {
        "reason": reason,
        **details,
        "source": {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "headers": {name: _plain(content) for name, content in record.headers},
            "key": _plain(record.key),
            "value": _plain(record.value),
        },
        "died_at": int(time.time() * 1000),
    }
    return Outgoing(record.key or b"", orjson.dumps(value), JSON_HEADERS)


def _plain(data: bytes | None) -> str | Mapping[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
