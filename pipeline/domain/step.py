"""The whole way of some events through one thing: from stored bytes to stored bytes, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pipeline.domain.alerts.catalogue import AlertPolicy
from pipeline.domain.alerts.conditions import Condition, active, conditions
from pipeline.domain.alerts.records import ClosedBy, Closing
from pipeline.domain.alerts.review import Name, Recorded, Review, passing, review
from pipeline.domain.codec import decode, encode
from pipeline.domain.fold import Arrival, Outcome, Told, add, fold
from pipeline.domain.keys import Key
from pipeline.domain.kinds import KINDS
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.state import EMPTY, State
from pipeline.domain.views import View, changed, enriched


class Held(msgspec.Struct, frozen=True):
    """A stored state as it was read, with what it shows: at hand, it spares reading it again."""

    stored: bytes
    state: State
    view: View | None
    """``None`` if it shows nothing yet."""

    @classmethod
    def read(cls, key: Key, stored: bytes, repeat_window: int) -> Held:
        """Raises ``UnreadableState``."""
        state = decode(stored)
        view = KINDS[type(key)].view(key, state, repeat_window=repeat_window) if state.facts else None
        return cls(stored, state, view)


class Advance(msgspec.Struct, frozen=True):
    """What some events come to for one thing."""

    outcomes: tuple[Outcome, ...]
    """The outcome of each event, in their order."""
    stored: bytes | None = None
    """The state to store, ``None`` if it is the one that is stored already."""
    before: View | None = None
    """What it showed before, ``None`` if nothing that others can be relied on to know."""
    after: View | None = None
    """What it shows now, ``None`` if nothing new was said."""
    record: bytes | None = None
    """The enriched record to publish, ``None`` if nothing visible changed."""
    was: State | None = None
    """The state that the events were folded into."""
    told: tuple[Told, ...] = ()
    """The events as they were read."""
    held: Held | None = None
    """What ``advance`` takes with the next events, once ``stored`` is stored."""


def advance(
    key: Key,
    stored: bytes | None,
    arrivals: Iterable[Arrival],
    *,
    held: Held | None = None,
    again: bool = False,
    repeat_window: int = REPEAT_WINDOW,
) -> Advance:
    """Fold events into the stored state of a thing. ``repeat_window`` is in microseconds.

    ``held`` is what the advance before it returned, made with the same repeat window; it counts only if it is of the
    very bytes that are stored.

    With ``again`` these events may have been folded before, in another interleaving and by somebody who told of it and
    died before the state was stored. What was told then can have a higher version than what is shown now, and say
    less. So every new state is told, whether or not it shows anything new: the last one has the highest version.

    Raises:
        UnreadableState: what is stored is no state.
        UnusableArrival: one of its kinds; see ``fold``. Nothing has changed then.
    """
    if stored is None:
        held = None
    elif held is None or held.stored != stored:
        held = Held.read(key, stored, repeat_window)
    was, before = (None, None) if held is None else (held.state, held.view)
    folded = fold(key, was, arrivals, repeat_window=repeat_window)
    if folded.state is was or folded.state == EMPTY:
        return Advance(folded.outcomes)
    data = encode(folded.state)
    if not folded.state.facts:  # an answer that is ahead of the events: it waits for them
        return Advance(folded.outcomes, data)
    after = KINDS[type(key)].view(key, folded.state, repeat_window=repeat_window)
    return Advance(
        folded.outcomes,
        data,
        None if again else before,
        after,
        enriched(after) if again or changed(before, after) else None,
        was,
        folded.told,
        Held(data, folded.state, after),
    )


def review_change(
    key: Key,
    change: Advance,
    recorded: Recorded,
    policy: AlertPolicy,
    now: int,
    *,
    repeat_window: int = REPEAT_WINDOW,
) -> Review:
    """What a change of a thing does to its alerts. ``change`` shows something new.

    A moment of receipt counts as now if it is later than ``now``: another clock made it.
    """
    if change.after is None:
        return Review(recorded, ())
    subject, told = KINDS[type(key)].name, change.told
    now = max([now, *[one.receipt.received_at for one in told]])

    def ended(name: Name) -> tuple[Closing, int]:
        event = _closing_event(key, change, name, policy, now, repeat_window)
        return _by(event), event.received_at

    found = review(subject, key.text, recorded, conditions(change.after, policy), now, ended)
    if len(told) == 1:
        return found
    known = {(alert.kind, alert.item) for alert in (*recorded.open, *found.recorded.open)}
    both = [
        alert
        for name, (condition, event) in _passed(key, change, policy, repeat_window).items()
        if name not in known
        for alert in passing(subject, key.text, condition, _by(event), event.received_at)
    ]
    return msgspec.structs.replace(found, alerts=(*both, *found.alerts))


def review_due(key: Key, stored: bytes, recorded: Recorded, policy: AlertPolicy, now: int) -> Review:
    """What time alone does to the alerts of a thing whose time in the index has come."""
    kind = KINDS[type(key)]
    found = conditions(kind.view(key, decode(stored)), policy)
    return review(kind.name, key.text, recorded, found, now, from_index=True)


def _by(event: Arrival) -> Closing:
    return Closing(cause=ClosedBy.EVENT, event_type=event.event_type, event_id=event.event_id)


def _passed(
    key: Key, change: Advance, policy: AlertPolicy, repeat_window: int
) -> dict[Name, tuple[Condition, Arrival]]:
    """What was wrong between two of these events, as it was last, and the event that ended it.

    It was wrong if it was when the next event was received, whenever that is worked on: an order that was confirmed in
    time is not late because both events are read after an outage.
    """
    passed: dict[Name, tuple[Condition, Arrival]] = {}
    moment = 0
    for (one, view), following in zip(_between(key, change, repeat_window), change.told[1:], strict=False):
        moment = max(moment, one.received_at, following.arrival.received_at)
        if view is not None:
            passed |= {(found.kind, found.item): (found, following.arrival) for found in active(view, moment, policy)}
    return passed


def _closing_event(key: Key, change: Advance, name: Name, policy: AlertPolicy, now: int, repeat_window: int) -> Arrival:
    """The first event after which the alert is not open; found by folding them one by one, which is rare enough."""
    for arrival, view in _between(key, change, repeat_window):
        if view is not None and name not in {(one.kind, one.item) for one in active(view, now, policy)}:
            return arrival
    return change.told[-1].arrival


def _between(key: Key, change: Advance, repeat_window: int) -> Iterator[tuple[Arrival, View | None]]:
    """Each event but the last, with what it showed after that."""
    view, state = KINDS[type(key)].view, change.was
    for one in change.told[:-1]:
        state = add(state, [one])
        yield one.arrival, view(key, state, repeat_window=repeat_window) if state.facts else None
