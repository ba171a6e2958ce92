"""The timeline of a state."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.domain.facts import PLACE
from pipeline.domain.limits import MAX_TIMELINE
from pipeline.domain.records import TimelineEntry
from pipeline.domain.state import State, occurrences
from pipeline.domain.times import rfc3339


class History(NamedTuple):
    """What every view has in common; the names are those of the view's fields."""

    timeline: tuple[TimelineEntry, ...]
    timeline_omitted: int
    first_received_at: str
    last_changed_at: str


def history(state: State, repeat_window: int) -> History:
    """One entry per occurrence, sorted by time of receipt, then by the place of its type in a life cycle, then by id.

    Raises:
        ValueError: the state is empty, so there is nothing to show.
    """
    entries: list[tuple[int, int, str, str, int]] = []
    for fact, receipts in state.facts:
        rank, event_type = PLACE[type(fact)]
        for number, first in enumerate(occurrences(fact, receipts, repeat_window), start=1):
            entries.append((first.received_at, rank, event_type, first.event_id, number))
    if not entries:
        raise ValueError("an empty state has no view")
    entries.sort()
    timeline = tuple(
        [
            TimelineEntry(event_type=event_type, received_at=rfc3339(at), event_id=event_id, occurrence=number)
            for at, _, event_type, event_id, number in entries[-MAX_TIMELINE:]
        ]
    )
    return History(timeline, len(entries) - len(timeline), rfc3339(entries[0][0]), rfc3339(entries[-1][0]))
