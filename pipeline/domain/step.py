"""The whole way of some events through one thing: from stored bytes to stored bytes, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from pipeline.domain.alerts.catalogue import AlertPolicy
from pipeline.domain.alerts.conditions import Condition, active, conditions
from pipeline.domain.alerts.records import ClosedBy, Closing
from pipeline.domain.alerts.review import Name, Recorded, Review, passing, review
from pipeline.domain.codec import decode, encode
from pipeline.domain.fold import Arrival, Outcome, fold
from pipeline.domain.keys import Key
from pipeline.domain.kinds import KINDS
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.state import EMPTY, State
from pipeline.domain.views import View, changed, enriched


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


def advance(
    key: Key,
    stored: bytes | None,
    arrivals: Iterable[Arrival],
    *,
    again: bool = False,
    repeat_window: int = REPEAT_WINDOW,
) -> Advance:
    """Fold events into the stored state of a thing. ``repeat_window`` is in microseconds.

    With ``again`` these events may have been folded before, in another interleaving and by somebody who told of it and
    died before the state was stored. What was told then can have a higher version than what is shown now, and say
    less. So every new state is told, whether or not it shows anything new: the last one has the highest version.

    Raises:
        UnreadableState: what is stored is no state.
        UnusableArrival: one of its kinds; see ``fold``. Nothing has changed then.
    """
    view = KINDS[type(key)].view
    state = None if stored is None else decode(stored)
    folded = fold(key, state, arrivals, repeat_window=repeat_window)
    if folded.state is state or folded.state == EMPTY:
        return Advance(folded.outcomes)
    if not folded.state.facts:  # an answer that is ahead of the events: it waits for them
        return Advance(folded.outcomes, encode(folded.state))
    before = None if state is None or not state.facts else view(key, state, repeat_window=repeat_window)
    after = view(key, folded.state, repeat_window=repeat_window)
    record = enriched(after) if again or changed(before, after) else None
    return Advance(folded.outcomes, encode(folded.state), None if again else before, after, record)


def review_change(
    key: Key,
    stored: bytes | None,
    arrivals: Sequence[Arrival],
    after: View,
    recorded: Recorded,
    policy: AlertPolicy,
    now: int,
    *,
    repeat_window: int = REPEAT_WINDOW,
) -> Review:
    """What a change of a thing does to its alerts. ``stored`` is what ``arrivals`` were folded into.

    A moment of receipt counts as now if it is later than ``now``: another clock made it.
    """
    now = max([now, *[arrival.received_at for arrival in arrivals]])
    subject = KINDS[type(key)].name

    def ended(name: Name) -> tuple[Closing, int]:
        event = _closing_event(key, stored, arrivals, name, policy, now, repeat_window)
        return _by(event), event.received_at

    found = review(subject, key.text, recorded, conditions(after, policy), now, ended)
    known = {(alert.kind, alert.item) for alert in (*recorded.open, *found.recorded.open)}
    passed = _passed(key, stored, arrivals, policy, repeat_window) if len(arrivals) > 1 else {}
    both = [
        alert
        for name, (condition, event) in passed.items()
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
    key: Key, stored: bytes | None, arrivals: Sequence[Arrival], policy: AlertPolicy, repeat_window: int
) -> dict[Name, tuple[Condition, Arrival]]:
    """What was wrong between two of these events, as it was last, and the event that ended it.

    It was wrong if it was when the next event was received, whenever that is worked on: an order that was confirmed in
    time is not late because both events are read after an outage.
    """
    kind = KINDS[type(key)]
    state: State | None = None if stored is None else decode(stored)
    passed: dict[Name, tuple[Condition, Arrival]] = {}
    moment = 0
    for arrival, following in pairwise(arrivals):
        state = fold(key, state, [arrival], repeat_window=repeat_window).state
        moment = max(moment, arrival.received_at, following.received_at)
        if state.facts:
            view = kind.view(key, state, repeat_window=repeat_window)
            passed |= {(one.kind, one.item): (one, following) for one in active(view, moment, policy)}
    return passed


def _closing_event(
    key: Key,
    stored: bytes | None,
    arrivals: Sequence[Arrival],
    name: Name,
    policy: AlertPolicy,
    now: int,
    repeat_window: int,
) -> Arrival:
    """The first event after which the alert is not open; found by folding them one by one, which is rare enough."""
    kind = KINDS[type(key)]
    state: State | None = None if stored is None else decode(stored)
    for arrival in arrivals:
        state = fold(key, state, [arrival], repeat_window=repeat_window).state
        if not state.facts:
            continue
        view = kind.view(key, state, repeat_window=repeat_window)
        if name not in {(one.kind, one.item) for one in active(view, now, policy)}:
            return arrival
    return arrivals[-1]
