"""Folding events into a state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec
from pydantic import ValidationError

from pipeline.domain.errors import MisplacedEvent, StateLimitExceeded, UnreadableEvent
from pipeline.domain.facts import FACT_TYPES, AnyFact, fact_of
from pipeline.domain.keys import Key, belongs
from pipeline.domain.limits import LATEST_RECEIPT, MAX_EVENT_ID, REPEAT_WINDOW
from pipeline.domain.state import EMPTY, Receipt, Receipts, State, occurrences, state_of, union
from pipeline.events import EVENT_TYPES, NorceEvent


class Arrival(msgspec.Struct, frozen=True):
    """One event as it was received."""

    event_type: str
    """Norce's name of the event type, as the catalogue spells it."""
    body: bytes | NorceEvent
    """The body as sent, or the event already parsed from it."""
    event_id: str
    """The id minted on arrival."""
    received_at: int
    """Microseconds since 1970-01-01 UTC."""


class Outcome(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    """It stands for one occurrence of its fact: it is the first receipt of it."""
    DUPLICATE = "duplicate"
    """It is a further delivery of something known."""


class Folded(msgspec.Struct, frozen=True):
    """The state after some arrivals, and the outcome of each, in their order."""

    state: State
    outcomes: tuple[Outcome, ...]


def fold(key: Key, state: State | None, arrivals: Iterable[Arrival], *, repeat_window: int = REPEAT_WINDOW) -> Folded:
    """The union of a state and the arrivals' facts. The very same state comes back if nothing was new.

    An outcome is read off the resulting state and nothing else, so an event that is delivered again after a crash gets
    the outcome it had, unless one that was received earlier has come in between. ``repeat_window`` is in microseconds.

    Raises:
        UnusableArrival: one of its kinds, naming the arrival. Nothing is folded then; fold the arrivals one by one to
            put only those aside that cannot be folded. Where all of them together exceed a limit of the state, the
            last is named.
    """
    before = state or EMPTY
    held = dict(before.facts)
    seen: list[tuple[AnyFact, Receipt]] = []
    news = False
    for arrival in arrivals:
        fact, receipt = _read(key, arrival)
        receipts = held.get(fact, ())
        if receipt not in receipts:
            held[fact] = _joined(receipts, receipt)
            news = True
        seen.append((fact, receipt))
    after = _state_of(held, seen[-1][1].event_id) if news else before
    return Folded(after, tuple([_outcome(fact, receipt, held[fact], repeat_window) for fact, receipt in seen]))


def _read(key: Key, arrival: Arrival) -> tuple[AnyFact, Receipt]:
    event_id = arrival.event_id
    event = _event(arrival)
    if not belongs(key, event):
        raise MisplacedEvent(event_id, f"the {arrival.event_type} belongs to another key")
    if not 0 < len(event_id) <= MAX_EVENT_ID:
        raise StateLimitExceeded(event_id[:MAX_EVENT_ID], f"an event id has 1 to {MAX_EVENT_ID} characters")
    if not 0 <= arrival.received_at <= LATEST_RECEIPT:
        raise StateLimitExceeded(event_id, "the time of receipt is not in the years 1970 to 9999")
    try:
        return fact_of(event), Receipt(received_at=arrival.received_at, event_id=event_id)
    except ValueError as problem:
        raise StateLimitExceeded(event_id, str(problem)) from None


def _event(arrival: Arrival) -> NorceEvent:
    if arrival.event_type not in FACT_TYPES:
        raise UnreadableEvent(arrival.event_id, "no state is kept of its event type")
    model = EVENT_TYPES[arrival.event_type].model
    if not isinstance(arrival.body, bytes):
        if type(arrival.body) is not model:
            raise UnreadableEvent(arrival.event_id, f"the event is not of the type {arrival.event_type}")
        return arrival.body
    try:
        return model.model_validate_json(arrival.body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        detail = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise UnreadableEvent(arrival.event_id, detail) from None


def _joined(receipts: Receipts, receipt: Receipt) -> Receipts:
    try:
        return union(receipts, (receipt,))
    except ValueError as problem:
        raise StateLimitExceeded(receipt.event_id, str(problem)) from None


def _state_of(held: Mapping[AnyFact, Receipts], last_event_id: str) -> State:
    try:
        return state_of(held)
    except ValueError as problem:
        raise StateLimitExceeded(last_event_id, str(problem)) from None


def _outcome(fact: AnyFact, receipt: Receipt, receipts: Receipts, repeat_window: int) -> Outcome:
    return Outcome.APPLIED if receipt in occurrences(fact, receipts, repeat_window) else Outcome.DUPLICATE
