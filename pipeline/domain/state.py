"""State as a set that only grows: facts, each with the set of its receipts.

``merge`` is the union of two such sets, so it is commutative, associative and idempotent: however events are ordered,
repeated or grouped on their way, the same events make the same state. Everything that is shown of an order is computed
from this set alone.

There is no counter in it. A counter of changes would depend on how the events were grouped, and after a crash it could
give a number that was already seen to a state that holds more: whoever keeps the newest version would then drop news.
``version`` counts receipts instead: a state that holds more has a higher version, always. Two different states can have
the same version only if neither was built on the other: after a crash, when events from several topics are read again
in another order. Whoever keeps the newest version takes the later record of two with the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import msgspec

from pipeline.domain.facts import REPEATABLE, AnyFact
from pipeline.domain.limits import MAX_FACTS, MAX_RECEIPTS, MAX_STATE_BYTES, REPEAT_WINDOW, UNWEIGHED_RECEIPTS

_JSON = msgspec.json.Encoder()


class Receipt(msgspec.Struct, frozen=True, array_like=True, order=True, kw_only=True, gc=False):
    """One arrival of a fact. Receipts sort by time, then by id."""

    received_at: int
    """Microseconds since 1970-01-01 UTC. When it was received, which says nothing about when it happened."""
    event_id: str
    """The id minted on arrival."""


Receipts = tuple[Receipt, ...]


class State(msgspec.Struct, frozen=True):
    """The facts of one key in their canonical order: equal sets are equal states and equal bytes."""

    facts: tuple[tuple[AnyFact, Receipts], ...] = ()


EMPTY = State()


def merge(first: State, second: State) -> State:
    """The union of two states.

    Raises:
        ValueError: the union exceeds ``limits``.
    """
    held = dict(first.facts)
    for fact, receipts in second.facts:
        held[fact] = union(held.get(fact, ()), receipts)
    return state_of(held)


def union(first: Receipts, second: Receipts) -> Receipts:
    """All receipts of both, sorted. Raises ``ValueError`` if there are more than ``MAX_RECEIPTS``."""
    receipts = tuple(sorted({*first, *second})) if first else second
    if len(receipts) > MAX_RECEIPTS:
        raise ValueError(f"a fact would have more than {MAX_RECEIPTS} receipts")
    return receipts


def state_of(held: Mapping[AnyFact, Receipts]) -> State:
    """The state that holds exactly these facts. Raises ``ValueError`` if it exceeds ``limits``."""
    if len(held) > MAX_FACTS:
        raise ValueError(f"the state would have more than {MAX_FACTS} facts")
    state = State(tuple(sorted(held.items(), key=_canonical)))
    if version(state) > UNWEIGHED_RECEIPTS and len(_JSON.encode(state)) > MAX_STATE_BYTES:
        raise ValueError(f"the state would have more than {MAX_STATE_BYTES} bytes")
    return state


def version(state: State) -> int:
    """How many receipts the state holds: higher after every change, and skips numbers where several came at once."""
    return sum([len(receipts) for _, receipts in state.facts])


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


def _canonical(entry: tuple[AnyFact, Receipts]) -> bytes:
    return _JSON.encode(entry[0])
