"""Confluent's wire format: a zero byte, the schema's id in four bytes, big-endian, and then the JSON."""

from __future__ import annotations

import struct

MAGIC = 0
_PREFIX = struct.Struct(">BI")


def prefix(schema_id: int) -> bytes:
    """What comes before the JSON of a record whose schema has this id, 0 to 4,294,967,295."""
    return _PREFIX.pack(MAGIC, schema_id)


def unframed(value: bytes) -> bytes:
    """The JSON of a value, framed or not. The two cannot be mixed up: no JSON begins with a zero byte."""
    return value[_PREFIX.size :] if value[:1] == b"\0" else value


def schema_id(value: bytes) -> int | None:
    """The id of a framed value's schema; ``None`` for a plain value."""
    if value[:1] != b"\0" or len(value) < _PREFIX.size:
        return None
    return int(_PREFIX.unpack_from(value)[1])
