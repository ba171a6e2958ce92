"""The record of the ledger's topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

_ENCODER = msgspec.json.Encoder()


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """How records of one partition ended for one consumer group. The last entry about an offset stands."""

    writer: Annotated[str, Meta(description="Consumer group that worked on the records")]
    topic: Annotated[str, Meta(description="Topic of the records")]
    partition: Annotated[int, Meta(description="Their partition, and the partition of this entry")]
    outcomes: Annotated[
        dict[str, list[list[int]]],
        Meta(description="Outcome to the offsets that ended so, as ranges [first, last]; both ends belong to a range"),
    ]

    def encode(self) -> bytes:
        return _ENCODER.encode(self)


def ranges(offsets: Iterable[int]) -> list[list[int]]:
    """Ascending offsets as ranges of consecutive ones, ``[first, last]``."""
    found: list[list[int]] = []
    last = None
    for offset in offsets:
        if last is not None and offset == last + 1:
            found[-1][1] = offset
        else:
            found.append([offset, offset])
        last = offset
    return found
