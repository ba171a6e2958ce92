"""The record that asks to forget persons: names of data keys, which are pseudonyms and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from pipeline.privacy.errors import MalformedRecord

REQUEST = b"forget"
TICK = b"tick"
"""Key of a record that only lets the private topics begin a new segment; also the key of the tombstone it leaves."""

PUBLISHED = b"published"
"""Key of the mark in the table of rows that says with which keys a partition's pseudonyms were published."""

RESERVED = frozenset({TICK, PUBLISHED})


def encode_request(names: Iterable[str]) -> bytes:
    """The request to destroy the data keys of these names."""
    return orjson.dumps({"names": sorted(names)})


def decode_request(value: bytes | None) -> list[str]:
    """The names in a request.

    Raises:
        MalformedRecord
    """
    try:
        names = orjson.loads(value or b"")["names"]
    except (ValueError, KeyError, TypeError):
        raise MalformedRecord("request to forget") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedRecord("request to forget")
    return names
