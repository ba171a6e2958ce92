"""What a state holds of each event, and what it must have forgotten: how an outcome can be checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline.domain.facts import PLACE, REGISTERS, fact_of, slot_of
from pipeline.domain.limits import MAX_REGISTER_RECEIPTS, REPEAT_WINDOW
from pipeline.domain.state import Receipt, State, occurrences, slots
from pipeline.events import NorceEvent


class Holding(msgspec.Struct, frozen=True):
    """One event that a state has heard of."""

    event_type: str
    receipt: Receipt
    first: bool
    """It is the first receipt of an occurrence. Whatever came in between, its outcome was applied. Not known of
    registers, whose older receipts are forgotten."""


def holdings(state: State, repeat_window: int = REPEAT_WINDOW) -> Iterator[Holding]:
    """Every event that the state holds a receipt of. ``repeat_window`` is in microseconds."""
    for fact, receipts in state.facts:
        event_type = PLACE[type(fact)][1]
        firsts = () if type(fact) in REGISTERS else occurrences(fact, receipts, repeat_window)
        for receipt in receipts:
            yield Holding(event_type, receipt, receipt in firsts)


def forgotten(state: State, event: NorceEvent, receipt: Receipt) -> bool:
    """Whether the state has to have forgotten this receipt of an event: all that may be kept of its slot is newer.

    Raises:
        KeyError, ValueError: no state is kept of such an event.
    """
    fact = fact_of(event)
    if type(fact) not in REGISTERS:
        return False
    found = slots(state.facts)
    entries = found.get(slot_of(fact), [])
    share = min(fact.history, MAX_REGISTER_RECEIPTS // max(len(found), 1))
    return len(entries) >= share and bool(entries) and receipt < entries[0][0]
