"""Times of receipt: microseconds since 1970-01-01 UTC inside, RFC 3339 text in records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_IN_UTC = datetime(1970, 1, 1)  # its texts have no offset to cut off
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=8192)  # the views before and after an event share all times but one
def rfc3339(microseconds: int) -> str:
    """``2026-01-31T12:00:00.000001Z``: always UTC, always six decimals, so that texts sort as the times do."""
    return (_EPOCH_IN_UTC + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds") + "Z"


@lru_cache(maxsize=8192)
def microseconds(text: str) -> int:
    """The time that ``rfc3339`` wrote."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
