"""The names of how things end. Each event and each update has one of its names in the ledger, or is still pending."""

from __future__ import annotations

from enum import StrEnum


class EventOutcome(StrEnum):
    """How the worker ended an event."""

    APPLIED = "applied"
    """It stands for one occurrence of its fact."""
    DUPLICATE = "duplicate"
    """It is a further delivery of something known."""
    STALE = "stale"
    """It says what a price, a stock point or the like was, and all that is kept of that is newer."""
    IGNORED = "ignored"
    """No state is kept of its type."""
    DEAD = "dead"
    """It names no key to be joined under, and is in the dead letters."""
    POISON = "poison"
    """It cannot be joined: it is in the dead letters, and its key waits. What becomes of it is said later."""
    PARKED = "parked"
    """It waits behind a poison event of its key. What becomes of it is said later."""
    DROPPED = "dropped"
    """An operator decided that it is not joined."""


class UpdateOutcome(StrEnum):
    """How a sink ended an update, the best first: of a repeated update the best counts."""

    DELIVERED = "delivered"
    """Norce took it."""
    NO_ORDER = "no_order"
    """Norce has no such order on that side, which is normal for Checkout."""
    DEAD = "dead"
    """Norce refused it, or it is unreadable; it is in the dead letters."""
    UNCHANGED = "unchanged"
    """Norce was told the same before."""
    SUPERSEDED = "superseded"
    """A newer one of the same order took its place."""
