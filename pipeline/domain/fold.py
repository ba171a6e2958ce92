"""Folding events, and answers of look-ups, into a state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum

import msgspec
from pydantic import ValidationError

from pipeline.domain.errors import MisplacedEvent, StateLimitExceeded, UnreadableEvent
from pipeline.domain.facts import FACT_TYPES, REGISTERS, AnyFact, Slot, fact_of, slot_of
from pipeline.domain.keys import Key, belongs
from pipeline.domain.limits import LATEST_RECEIPT, MAX_EVENT_ID, REPEAT_WINDOW
from pipeline.domain.lookups import LOOKUPS, Answered, decode_answer, newer
from pipeline.domain.state import (
    EMPTY,
    Entry,
    Receipt,
    Receipts,
    State,
    changes,
    occurrences,
    slots,
    state_of,
    union,
)
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
    STALE = "stale"
    """It says what a price, a stock point or the like was, and all that is kept of that is newer. Of a look-up: a
    later answer stands."""


class Told(msgspec.Struct, frozen=True):
    """One event as the state takes it."""

    arrival: Arrival
    said: AnyFact | Answered
    receipt: Receipt


class Folded(msgspec.Struct, frozen=True):
    """The state after some arrivals, and the outcome of each, in their order."""

    state: State
    outcomes: tuple[Outcome, ...]
    told: tuple[Told, ...]
    """The arrivals as they were read, for who asks for the states in between (``add``)."""


def fold(key: Key, state: State | None, arrivals: Iterable[Arrival], *, repeat_window: int = REPEAT_WINDOW) -> Folded:
    """The union of a state and the arrivals' facts. The very same state comes back if nothing was new.

    An outcome is read off the resulting state and nothing else, so an event that is delivered again after a crash gets
    the outcome it had, unless one that was received earlier has come in between, or so many newer ones that it is
    stale. ``repeat_window`` is in microseconds.

    Raises:
        UnusableArrival: one of its kinds, naming the arrival. Nothing is folded then; fold the arrivals one by one to
            put only those aside that cannot be folded. Where all of them together exceed a limit of the state, the
            last is named.
    """
    told = tuple([_read(key, arrival) for arrival in arrivals])
    after = add(state, told)
    return Folded(after, _outcomes(after, told, repeat_window), told)


def add(state: State | None, told: Iterable[Told]) -> State:
    """The union of a state and what was told. The very same state comes back if nothing was new.

    Raises:
        StateLimitExceeded: naming the last arrival.
    """
    before = state or EMPTY
    held, answer, last = dict(before.facts), before.answer, None
    for one in told:
        if isinstance(one.said, Answered):
            answer = newer(answer, one.said)
            continue
        receipts = held.get(one.said, ())
        if one.receipt not in receipts:
            held[one.said] = _joined(one.said, receipts, one.receipt)
        last = one.receipt
    after = State(before.facts, answer) if last is None else _state_of(held, answer, last.event_id)
    return before if after == before else after


def _answered(key: Key, arrival: Arrival) -> Answered:
    _check(arrival)
    if not isinstance(arrival.body, bytes):
        raise UnreadableEvent(arrival.event_id, f"the event is not of the type {arrival.event_type}")
    try:
        return Answered(arrival.received_at, decode_answer(arrival.event_type, key, arrival.body))
    except ValueError as problem:
        raise UnreadableEvent(arrival.event_id, str(problem)) from None


def _check(arrival: Arrival) -> None:
    event_id = arrival.event_id
    if not 0 < len(event_id) <= MAX_EVENT_ID:
        raise StateLimitExceeded(event_id[:MAX_EVENT_ID], f"an event id has 1 to {MAX_EVENT_ID} characters")
    if not 0 <= arrival.received_at <= LATEST_RECEIPT:
        raise StateLimitExceeded(event_id, "the time of receipt is not in the years 1970 to 9999")


def _read(key: Key, arrival: Arrival) -> Told:
    event_id = arrival.event_id
    if arrival.event_type in LOOKUPS:
        answered = _answered(key, arrival)
        return Told(arrival, answered, Receipt(received_at=arrival.received_at, event_id=event_id))
    event = _event(arrival)
    if not belongs(key, event):
        raise MisplacedEvent(event_id, f"the {arrival.event_type} belongs to another key")
    _check(arrival)
    try:
        return Told(arrival, fact_of(event), Receipt(received_at=arrival.received_at, event_id=event_id))
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


def _joined(fact: AnyFact, receipts: Receipts, receipt: Receipt) -> Receipts:
    try:
        return union(fact, receipts, (receipt,))
    except ValueError as problem:
        raise StateLimitExceeded(receipt.event_id, str(problem)) from None


def _state_of(held: Mapping[AnyFact, Receipts], answer: Answered | None, last_event_id: str) -> State:
    try:
        return state_of(held, answer)
    except ValueError as problem:
        raise StateLimitExceeded(last_event_id, str(problem)) from None


def _outcomes(after: State, told: Sequence[Told], repeat_window: int) -> tuple[Outcome, ...]:
    """The outcome of each, in their order. Work is done only for the facts and slots that were seen."""
    held = dict(after.facts)
    touched = {slot_of(one.said) for one in told if not isinstance(one.said, Answered) and type(one.said) in REGISTERS}
    entries = slots(after.facts) if touched else {}
    changed = {slot: set(changes(entries.get(slot, ()), repeat_window)) for slot in touched}
    return tuple([_outcome(one, after, held, changed, repeat_window) for one in told])


def _outcome(
    one: Told,
    after: State,
    held: Mapping[AnyFact, Receipts],
    changed: Mapping[Slot, AbstractSet[Entry]],
    repeat_window: int,
) -> Outcome:
    fact, receipt = one.said, one.receipt
    if isinstance(fact, Answered):
        return Outcome.APPLIED if fact == after.answer else Outcome.STALE
    receipts = held.get(fact, ())
    if receipt not in receipts:
        return Outcome.STALE
    if type(fact) in REGISTERS:
        first = (receipt, fact) in changed[slot_of(fact)]
    else:
        first = receipt in occurrences(fact, receipts, repeat_window)
    return Outcome.APPLIED if first else Outcome.DUPLICATE
