"""The records of one step, and how each of them ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Span

from pipeline.domain import Arrival
from pipeline.ledger import LedgerStep


@dataclass(slots=True, eq=False)
class Read:
    """A record, what it says, and how it ended: one of the ledger's outcomes."""

    record: Any
    event_type: str = "unknown"
    arrival: Arrival | None = None
    end: str = ""
    again: bool = False
    """It may have been folded before, by a worker that died or lost the partition before the state was stored."""

    @property
    def event_id(self) -> str:
        return "" if self.arrival is None else self.arrival.event_id


@dataclass(slots=True)
class Work:
    """A step while it is made, with every record that it is about, in the order of reading."""

    partition: int
    step: LedgerStep
    reads: list[Read] = field(default_factory=list)
    began: int = field(default_factory=time.time_ns)
    spans: dict[Read, Span] = field(default_factory=dict)
    """Of events, while this process traces."""
