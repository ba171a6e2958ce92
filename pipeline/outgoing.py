"""A record to send. By itself, so that what only makes records does not load the engine, which takes a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Outgoing(NamedTuple):
    """One record to send. ``headers`` are names with bytes, ``value`` ``None`` deletes the key of a compacted topic."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
