"""What to read, and up to where. The order in which ends are asked for makes a moving system look still.

First come the committed offsets: whatever led to them is written, so it is before every end that is asked for later.
Then come the ends of what follows from records, and last those of the records themselves: so nothing is seen to follow
from a record that is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline import topics
from pipeline.audit.reading import Place, Reader, Span
from pipeline.events import TOPICS as EVENT_TOPICS

MARGIN = int(timedelta(hours=1).total_seconds() * 1000)
"""Milliseconds that clocks of different machines, and timestamps within one partition, may differ by."""
TARGETS = ("connect", "checkout")
SOURCES = (*EVENT_TOPICS, topics.SUBSCRIPTION_FAILURES)
"""What the worker joins and the audit counts."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Consumer groups of the worker and of the two sinks."""

    worker: str
    connect: str
    checkout: str

    def sink(self, target: str) -> str:
        return self.connect if target == "connect" else self.checkout


@dataclass(frozen=True, slots=True)
class Period:
    """A time range in milliseconds since 1970: ``start`` belongs to it, ``end`` does not. ``None`` is open."""

    start: int | None = None
    end: int | None = None

    def holds(self, milliseconds: int) -> bool:
        return (self.start is None or self.start <= milliseconds) and (self.end is None or milliseconds < self.end)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Spans to read, by what is in them, and the offsets that were committed before."""

    worker: Mapping[Place, int]
    sinks: Mapping[str, Mapping[Place, int]]
    ledger: Sequence[Span]
    letters: Sequence[Span]
    states: Sequence[Span]
    sent: Mapping[str, Sequence[Span]]
    enriched: Sequence[Span]
    updates: Sequence[Span]
    quarantine: Sequence[Span]
    retries: Sequence[Span]
    sources: Sequence[Span]
    moving: Sequence[Span]
    """Records behind the committed offsets that are not in ``sources``: their keys are in motion."""
    begun: Mapping[Place, int]
    """First offset that is still there of each source, where records were deleted before it."""

    def records(self) -> int:
        """Offsets to read."""
        sent = [span for spans in self.sent.values() for span in spans]
        parts = (self.ledger, self.letters, self.states, sent, self.enriched, self.updates, self.quarantine)
        return sum([len(span) for spans in (*parts, self.retries, self.sources, self.moving) for span in spans])

    def reaching(self, places: Mapping[Place, tuple[int, int]]) -> Snapshot:
        """With sources that reach as far as the lowest and highest offset of each place.

        An event that was in quarantine first comes long after it was received, so it may be behind the time range.
        """
        wider = []
        for span in self.sources:
            first, last = places.get(span.place, (span.start, span.stop - 1))
            wider.append(Span(span.place, min(span.start, first), max(span.stop, last + 1)))
        return replace(self, sources=wider)


def take(reader: Reader, groups: Groups, period: Period, *, with_updates: bool) -> Snapshot:
    """Where everything stands. Raises ``TopicMissing``, ``BrokerUnreachable``."""
    targets = TARGETS if with_updates else ()
    source_places, update_places = reader.places(SOURCES), reader.places([topics.UPDATES])
    worker = reader.committed(groups.worker, source_places)
    sinks = {target: reader.committed(groups.sink(target), update_places) for target in targets}
    since = None if period.start is None else period.start - MARGIN
    until = None if period.end is None else period.end + MARGIN
    ledger, letters = _from(reader, [topics.LEDGER], since), _from(reader, [topics.DEAD_LETTERS], since)
    states = _from(reader, [topics.changelog(groups.worker, table) for table in topics.ENRICHED], None)
    sent = {target: _from(reader, [topics.changelog(groups.sink(target), "sent")], None) for target in targets}
    enriched = _from(reader, topics.ENRICHED.values(), None)
    updates = _from(reader, [topics.UPDATES], since) if with_updates else []
    # A retry is announced before its event can be in a state, and said to be done after the event is on its topic.
    retries = _from(reader, [topics.QUARANTINE_RETRIES], since)
    ends = reader.ends(source_places)
    spans = _between(reader, [place for place in source_places if place.topic in EVENT_TOPICS], since, until)
    spans += _from(reader, [topics.SUBSCRIPTION_FAILURES], since)  # copies are later than what they are copies of
    return Snapshot(
        worker=worker,
        sinks=sinks,
        ledger=ledger,
        letters=letters,
        states=states,
        sent=sent,
        enriched=enriched,
        updates=updates,
        quarantine=_between(reader, reader.places([topics.QUARANTINE]), since, until),
        retries=retries,
        sources=spans,
        moving=[Span(span.place, max(span.stop, worker[span.place]), ends[span.place][1]) for span in spans],
        begun={place: first for place, (first, _) in ends.items() if first},
    )


def _from(reader: Reader, names: Iterable[str], since: int | None) -> list[Span]:
    return _between(reader, reader.places(names), since, None)


def _between(reader: Reader, places: Sequence[Place], since: int | None, until: int | None) -> list[Span]:
    starts = {} if since is None else reader.offsets_at(places, since)
    stops = {} if until is None else reader.offsets_at(places, until)
    spans = []
    for place, (first, end) in reader.ends(places).items():
        start = starts.get(place, first)
        stop = stops.get(place, end)
        spans.append(Span(place, end if start is None else start, end if stop is None else min(stop, end)))
    return spans
