"""Confluent's wire format: a zero byte, the schema's id in four bytes, big-endian, and then the JSON."""

from __future__ import annotations

import struct

MAGIC = 0

CONTENT_TYPE = "application/json"
FRAMED_CONTENT_TYPE = "application/vnd.confluent.json"
"""Media type of a framed value, which is no JSON: a parser of JSON that is chosen by the media type would fail.

Neither Confluent nor CloudEvents names one: Confluent's serializers set no such header, CloudEvents asks for the media
type of the value. It is formed like ``application/vnd.confluent.avro``, which others use for framed Avro, and without
``+json``, because RFC 6839 promises that what has it can be parsed as JSON.
"""
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
