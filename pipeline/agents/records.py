"""The records of one step, and how each of them ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.domain import Arrival
from pipeline.engine import Step


class End(StrEnum):
    """How a record ended that was not folded. One that was ends as the domain's ``Outcome`` says."""

    IGNORED = "ignored"
    """No state is kept of its type."""
    DEAD = "dead"
    """It names no key to be folded under: a dead letter."""
    POISON = "poison"
    """It cannot be folded: a dead letter, and its key is parked."""
    PARKED = "parked"
    """It waits behind a poison one of its key."""
    DROPPED = "dropped"
    """It was parked, and somebody gave up on it."""


@dataclass(slots=True, eq=False)
class Read:
    """A record, what it says, and how it ended: ``End`` or ``Outcome``."""

    record: Any
    event_type: str = "unknown"
    arrival: Arrival | None = None
    end: str = ""

    @property
    def event_id(self) -> str:
        return "" if self.arrival is None else self.arrival.event_id


@dataclass(slots=True)
class Work:
    """A step while it is made, with every record that it is about, in the order of reading."""

    partition: int
    step: Step = field(default_factory=Step)
    reads: list[Read] = field(default_factory=list)
