"""State as a set of what was heard: facts, each with the set of its receipts.

``merge`` is the union of two such sets, so it is commutative, associative and idempotent: however events are ordered,
repeated or grouped on their way, the same events make the same state. Everything that is shown of an order is computed
from this set alone.

Of a register (a fact with a slot: a price, a stock point, the changes of an entity) only the newest receipts of each
slot are kept, because it changes for ever. The newest few of a union are the newest few of what is newest on either
side, so this is a join as well: what was forgotten and comes again is forgotten again. How many are kept follows from
the number of slots alone, which only grows. What a register holds now is said by its newest receipt: Norce sends no
time of change and the same body may come back (A, B, A), so nothing else can tell.

There is no counter in it. A counter of changes would depend on how the events were grouped, and after a crash it could
give a number that was already seen to a state that holds more: whoever keeps the newest version would then drop news.
``version`` counts receipts instead: a state that holds more has a higher version, always. Two different states can have
the same version only if neither was built on the other: after a crash, when events from several topics are read again
in another order. Whoever keeps the newest version takes the later record of two with the same one. A state of registers
has no such count; its version is the time of its newest receipt, which never falls.

Beside the facts stands what Norce answered when it was asked, the answer with the highest number (``lookups``). A
state may hold nothing but an answer, as topics are read in any order; it shows nothing before the first event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter

import msgspec

from pipeline.domain.facts import REGISTERS, REPEATABLE, AnyFact, Slot, slot_of
from pipeline.domain.limits import (
    MAX_FACTS,
    MAX_RECEIPTS,
    MAX_REGISTER_RECEIPTS,
    MAX_STATE_BYTES,
    REPEAT_WINDOW,
    UNWEIGHED_RECEIPTS,
)
from pipeline.domain.lookups import Answered, newer

_JSON = msgspec.json.Encoder()


class Receipt(msgspec.Struct, frozen=True, array_like=True, order=True, kw_only=True, gc=False):
    """One arrival of a fact. Receipts sort by time, then by id."""

    received_at: int
    """Microseconds since 1970-01-01 UTC. When it was received, which says nothing about when it happened."""
    event_id: str
    """The id minted on arrival."""


Receipts = tuple[Receipt, ...]
Facts = tuple[tuple[AnyFact, Receipts], ...]


class State(msgspec.Struct, frozen=True):
    """The facts of one key in their canonical order: equal sets are equal states and equal bytes."""

    facts: Facts = ()
    answer: Answered | None = None
    """What Norce answered last when it was asked about the thing, if it was."""


EMPTY = State()


def merge(first: State, second: State) -> State:
    """The union of two states.

    Raises:
        ValueError: the union exceeds ``limits``.
    """
    held = dict(first.facts)
    for fact, receipts in second.facts:
        held[fact] = union(fact, held.get(fact, ()), receipts)
    return state_of(held, newer(first.answer, second.answer))


def union(fact: AnyFact, first: Receipts, second: Receipts) -> Receipts:
    """The receipts of both, sorted; of a register only those that can be among the newest of its slot.

    Raises:
        ValueError: a fact that is kept for good would have more than ``MAX_RECEIPTS``.
    """
    receipts = tuple(sorted({*first, *second})) if first else second
    if type(fact) in REGISTERS:
        return receipts[-fact.history :]
    if len(receipts) > MAX_RECEIPTS:
        raise ValueError(f"a fact would have more than {MAX_RECEIPTS} receipts")
    return receipts


def state_of(held: Mapping[AnyFact, Receipts], answer: Answered | None = None) -> State:
    """The state that holds these facts, of registers the newest, and an answer.

    Raises:
        ValueError: the facts exceed ``limits``. An answer has limits of its own.
    """
    if len(held) > MAX_FACTS and sum([type(fact) not in REGISTERS for fact in held]) > MAX_FACTS:
        raise ValueError(f"the state would have more than {MAX_FACTS} facts")
    state = State(_newest(tuple(sorted(held.items(), key=_canonical))), answer)
    receipts = sum([len(receipts) for _, receipts in state.facts])
    if receipts > UNWEIGHED_RECEIPTS and len(_JSON.encode(state.facts)) > MAX_STATE_BYTES:
        raise ValueError(f"the state would have more than {MAX_STATE_BYTES} bytes")
    return state


def version(state: State) -> int:
    """Never lower after a change.

    How many receipts the state holds, which is higher after every change and skips numbers where several came at once;
    for a state of registers the time of its newest receipt, in microseconds. The number of the answer comes on top: it
    only rises, so the sum rises with either.
    """
    answers = 0 if state.answer is None else state.answer.said.number
    if state.facts and type(state.facts[0][0]) in REGISTERS:  # a state holds registers only, or none
        return answers + max([receipts[-1].received_at for _, receipts in state.facts])
    return answers + sum([len(receipts) for _, receipts in state.facts])


Entry = tuple[Receipt, AnyFact]
"""A fact as one receipt states it."""


def slots(facts: Iterable[tuple[AnyFact, Receipts]]) -> dict[Slot, list[Entry]]:
    """What the registers among the facts hold: each slot with its entries, sorted, the one that holds now last.

    The facts are in canonical order, which decides between entries of one receipt.
    """
    found: dict[Slot, list[Entry]] = {}
    for fact, receipts in facts:
        if type(fact) in REGISTERS:
            found.setdefault(slot_of(fact), []).extend([(receipt, fact) for receipt in receipts])
    for entries in found.values():
        entries.sort(key=itemgetter(0))
    return found


def changes(entries: Sequence[Entry], repeat_window: int = REPEAT_WINDOW) -> list[Entry]:
    """The first entry of each change of a slot, of its sorted entries.

    It changed when it states something else than the entry before, or the same ``repeat_window`` (microseconds) or more
    after it; the same in less is a further delivery.
    """
    return list(entries[:1]) + [
        later
        for earlier, later in pairwise(entries)
        if later[1] != earlier[1] or later[0].received_at - earlier[0].received_at >= repeat_window
    ]


def occurrences(fact: AnyFact, receipts: Receipts, repeat_window: int = REPEAT_WINDOW) -> Receipts:
    """The first receipt of each time the fact happened, in order.

    A fact that cannot repeat happened once. One that can happened anew when ``repeat_window`` (microseconds) or more
    has passed since the receipt before; receipts closer together are deliveries of one occurrence.
    """
    if len(receipts) == 1 or type(fact) not in REPEATABLE:
        return receipts[:1]
    return receipts[:1] + tuple(
        later for earlier, later in pairwise(receipts) if later.received_at - earlier.received_at >= repeat_window
    )


def _newest(facts: Facts) -> Facts:
    """What is left of the facts when each slot keeps its share of receipts."""
    found = slots(facts)
    if not found:
        return facts
    if len(found) > MAX_REGISTER_RECEIPTS:
        raise ValueError(f"the state would have more than {MAX_REGISTER_RECEIPTS} prices, stock points and so on")
    share = MAX_REGISTER_RECEIPTS // len(found)
    kept: dict[AnyFact, list[Receipt]] = {}
    for entries in found.values():
        for receipt, fact in entries[-min(entries[0][1].history, share) :]:
            kept.setdefault(fact, []).append(receipt)
    return tuple(
        [
            (fact, tuple(kept[fact]) if fact in kept else receipts)
            for fact, receipts in facts
            if fact in kept or type(fact) not in REGISTERS
        ]
    )


def _canonical(entry: tuple[AnyFact, Receipts]) -> bytes:
    return _JSON.encode(entry[0])
