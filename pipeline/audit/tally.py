"""Counts by what they are about and time bucket."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

PENDING = "pending"
QUARANTINED = "quarantined"
UNBALANCED = "unbalanced"


@dataclass
class Tally:
    """How many of each bucket ended how. ``bucket`` is its length in milliseconds; buckets start at multiples of it."""

    bucket: int
    counts: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, about: str, time: int, ended: str) -> None:
        """``time`` is in milliseconds since 1970."""
        self.counts[about, time - time % self.bucket][ended] += 1

    def total(self, ended: str | None = None) -> int:
        """All, or those that ended so."""
        return sum([sum(each.values()) if ended is None else each[ended] for each in self.counts.values()])
