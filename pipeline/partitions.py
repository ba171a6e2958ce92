"""Which partition a key belongs to, and records by partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:  # a command that asks where a key belongs needs no engine, which takes long to load
    from pipeline.engine import Slice


def home(key: bytes, partitions: int) -> int:
    """The partition of a key, as every Kafka client chooses it: compaction only sees what is in one partition."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def by_partition(slices: Iterable[Slice]) -> dict[int, list[Any]]:
    """The slices' records by partition number, in offset order within each topic."""
    records: dict[int, list[Any]] = defaultdict(list)
    for piece in slices:
        records[piece.tp.partition].extend(piece.records)
    return records
