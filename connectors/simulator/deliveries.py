"""What became of each event that was created: how often it was posted, and how Norce's side saw it end."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from connectors.simulator.script import ScriptedEvent


class Fate(StrEnum):
    """How it stands with an event, as Norce sees it."""

    WAITING = "waiting"
    """Created, and not taken yet."""
    ACCEPTED = "accepted"
    """Answered 20x at least once."""
    DEAD = "dead"
    """All attempts failed; it is not sent again."""
    DROPPED = "dropped"
    """Never posted, as if the webhook had been switched off."""


@dataclass(slots=True)
class Delivery:
    """One event on its way. Attempts are ``(seconds since the simulator began, outcome)``."""

    event: ScriptedEvent
    fate: Fate = Fate.WAITING
    taken: int = 0
    """How many posts were answered 20x."""
    attempts: list[tuple[float, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The event by the hash of its bytes: it has no id."""
        event = self.event
        return {
            "number": event.number,
            "event_type": event.event_type,
            "order": event.reference,
            "flaw": event.flaw,
            "sha256": sha256(event.body).hexdigest(),
            "fate": self.fate,
            "taken": self.taken,
            "attempts": self.attempts,
        }


class Deliveries:
    """All deliveries in the order of their first posts, counted."""

    def __init__(self, to_send: int) -> None:
        self.to_send = to_send
        """Events in the scenario."""
        self.all: list[Delivery] = []
        self.created = 0
        self.created_by_type: Counter[str] = Counter()
        """Good events only."""
        self.flawed: Counter[str] = Counter()
        """The others, by flaw."""
        self.fates: Counter[Fate] = Counter()
        self.outcomes: Counter[str] = Counter()
        """Attempts by outcome: a status, ``timeout`` or ``network``."""
        self.retries = 0
        self.duplicates = 0
        """Events posted again after they were taken."""
        self.by_order: dict[str, list[Delivery]] = {}

    def create(self, event: ScriptedEvent) -> None:
        """Count an event that Norce has created."""
        self.created += 1
        if event.flaw is None:
            self.created_by_type[event.event_type] += 1
        else:
            self.flawed[event.flaw] += 1

    def open(self, event: ScriptedEvent) -> Delivery:
        """The delivery of a created event, which may be posted from now on."""
        delivery = Delivery(event)
        self.all.append(delivery)
        self.fates[Fate.WAITING] += 1
        if event.reference is not None:
            self.by_order.setdefault(event.reference, []).append(delivery)
        return delivery

    def attempted(self, delivery: Delivery, at: float, outcome: str, *, taken: bool) -> None:
        """Count one post and how it was answered."""
        delivery.attempts.append((at, outcome))
        self.outcomes[outcome] += 1
        if taken:
            delivery.taken += 1
            self.end(delivery, Fate.ACCEPTED)

    def end(self, delivery: Delivery, fate: Fate) -> None:
        """Settle how a delivery ended; what was accepted stays accepted."""
        if delivery.fate is Fate.WAITING:
            self.fates[Fate.WAITING] -= 1
            self.fates[fate] += 1
            delivery.fate = fate

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "to_send": self.to_send,
            "created": self.created,
            "created_by_type": dict(sorted(self.created_by_type.items())),
            "flawed": dict(sorted(self.flawed.items())),
            **{fate.value: self.fates[fate] for fate in Fate},
            "retried": self.retries,
            "duplicates": self.duplicates,
            "attempts": dict(sorted(self.outcomes.items())),
        }

    def page(self, offset: int, limit: int) -> dict[str, Any]:
        """Deliveries from a place on, in the order of their first posts."""
        chosen = self.all[offset : offset + limit]
        return {"total": len(self.all), "events": [delivery.as_json() for delivery in chosen]}
