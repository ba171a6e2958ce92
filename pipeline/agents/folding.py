"""What events come to for one key: pure work on what was read, which either is done as a whole or leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cachetools import LRUCache

from pipeline import topics
from pipeline.agents.alerts import AlertBook
from pipeline.agents.records import Read
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.domain import (
    KINDS,
    Advance,
    AlertPolicy,
    Held,
    Key,
    OrderView,
    Outcome,
    PushPolicies,
    Recorded,
    UnreadableState,
    advance,
    copies,
    derive,
    encode_update,
    review_change,
)
from pipeline.engine import Outgoing, SliceTable, Step
from pipeline.events import EVENT_TYPES, models

COPIED = models.SubscriptionFailedEvent.__name__

HELD_BYTES = 8 * 2**20
"""Of stored states that are at hand as objects too, which take some seven times as much. The events of an order come
within minutes of each other, so its state is often among the newest."""

NOT_THE_EVENTS_FAULT = (UnreadableState, MemoryError)
"""Errors that say nothing about the event: the program is of another version than the state, or has no room."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What some events of one key come to: all of them, or those before the first that cannot be folded."""

    step: Step = field(default_factory=Step)
    outcomes: Sequence[Outcome] = ()
    """Of each event that was folded; the next one is the poison, if there is an error."""
    error: Exception | None = None


class Folding:
    """Folds the events of one key, and makes what follows: record, updates, alerts, copies."""

    def __init__(
        self,
        tables: Mapping[type[Key], SliceTable],
        book: AlertBook,
        policies: PushPolicies,
        alerts: AlertPolicy,
        clock: Callable[[], int],
    ) -> None:
        self._tables = tables
        self._book = book
        self._policies = policies
        self._alerts = alerts
        self._clock = clock
        self._held: LRUCache[Key, Held] = LRUCache(HELD_BYTES, getsizeof=lambda held: len(held.stored))

    def fold(self, key: Key, stored: bytes | None, recorded: Recorded, reads: Sequence[Read]) -> Folded:
        """Fold events into the stored state of a key, up to the first that cannot be folded.

        Any error counts, a defect of ours as well as a body that does not fit: neither may cost more than this key.

        Raises:
            UnreadableState: what is stored is no state, which no event can be blamed for.
        """
        found = self._try(key, stored, recorded, reads)
        if found.error is None:
            return found
        # By halving: events that can be folded, while with one more they cannot.
        good, failing, error, best = 0, len(reads), found.error, Folded()
        while failing - good > 1:
            middle = (good + failing) // 2
            found = self._try(key, stored, recorded, reads[:middle])
            if found.error is None:
                good, best = middle, found
            else:
                failing, error = middle, found.error
        return Folded(best.step, best.outcomes, error)

    def _try(self, key: Key, stored: bytes | None, recorded: Recorded, reads: Sequence[Read]) -> Folded:
        try:
            return self._all(key, stored, recorded, reads)
        except NOT_THE_EVENTS_FAULT:
            raise
        except Exception as error:
            return Folded(error=error)

    def _all(self, key: Key, stored: bytes | None, recorded: Recorded, reads: Sequence[Read]) -> Folded:
        step, arrivals = Step(), [read.arrival for read in reads if read.arrival is not None]
        found = advance(key, stored, arrivals, held=self._held.get(key), again=any(read.again for read in reads))
        if found.held is not None and len(found.held.stored) <= self._held.maxsize:
            self._held[key] = found.held  # whether it gets stored or not: it is used only if those bytes were
        if found.stored is not None:
            name = key.text.encode()
            step.change(self._tables[type(key)], name, found.stored)
            self._publish(step, key, name, found)
            self._review(step, key, found, recorded)
        for read in reads:
            _copy(step, key, read)
        return Folded(step, found.outcomes)

    def _publish(self, step: Step, key: Key, name: bytes, found: Advance) -> None:
        if found.record is None:
            return
        step.send(topics.ENRICHED[KINDS[type(key)].table], Outgoing(name, found.record, JSON_HEADERS))
        if isinstance(found.after, OrderView):
            before = found.before if isinstance(found.before, OrderView) else None
            for update in derive(before, found.after, self._policies):
                step.send(topics.UPDATES, Outgoing(name, encode_update(update), JSON_HEADERS))

    def _review(self, step: Step, key: Key, found: Advance, recorded: Recorded) -> None:
        if found.record is None:
            return
        review = review_change(key, found, recorded, self._alerts, self._clock())
        self._book.write(step, key, recorded, review)


def _copy(step: Step, key: Key, read: Read) -> None:
    """Send a failed run on to the other keys that it is counted under, with the identity that it has."""
    if read.event_type != COPIED or read.record.topic == topics.SUBSCRIPTION_FAILURES:
        return
    event = EVENT_TYPES[read.event_type].model.model_validate_json(read.record.value)
    for other, body in copies(event, key):
        name = other.text.encode()
        headers = [(header, value) for header, value in read.record.headers if header != "ce_partitionkey"]
        step.send_elsewhere(topics.SUBSCRIPTION_FAILURES, Outgoing(name, body, [*headers, ("ce_partitionkey", name)]))
