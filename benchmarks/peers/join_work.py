"""The join of one event, for peers: the same pure functions as the worker's, so that only the way around them differs.

Work that the worker does and peers are spared: strict dead-lettering, metrics, the tables of subscriptions.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from pipeline.domain import (
    DEFAULT_ALERTS,
    DEFAULT_POLICIES,
    KINDS,
    Arrival,
    Key,
    OrderView,
    Recorded,
    SubscriptionKey,
    advance,
    copies,
    decode_recorded,
    derive,
    encode_alert,
    encode_recorded,
    encode_update,
    key_of,
    review_change,
)
from pipeline.events import EVENT_TYPES
from pipeline.events.envelope import read_envelope
from pipeline.events.models import SubscriptionFailedEvent

ENRICHED, UPDATES, ALERTS, FAILURES = "enriched", "updates", "alerts", "failures"
OUTPUTS = (ENRICHED, UPDATES, ALERTS, FAILURES)
INPUTS = ("norce.events.order", "norce.events.payment", "norce.events.subscription")

Change = tuple[bytes, bytes | None]


class Joined(NamedTuple):
    """What follows from one event."""

    sent: list[tuple[str, bytes, bytes]]
    """Kind of output, key, value."""
    state: Change | None = None
    alerts: tuple[Change, ...] = ()
    """Changes of the table of alerts: what is open, and the index of times."""


def order_key(event_type: str, key: bytes) -> Key | None:
    """The key of an event about an order; ``None`` for a failure that names a subscription only."""
    found = key_of(event_type, key.decode())
    return None if isinstance(found, SubscriptionKey) else found


def alert_name(key: bytes) -> bytes:
    """Where the table of alerts keeps what is open of an order."""
    return b"s" + _subject(key)


def read(headers: Iterable[tuple[str, bytes]], key: bytes, value: bytes) -> tuple[Key, Arrival] | None:
    """The key and the event of a record."""
    envelope = read_envelope(headers)
    found = order_key(envelope.event_type, key)
    if found is None:
        return None
    return found, Arrival(envelope.event_type, value, envelope.event_id, envelope.received_at)


def join(name: bytes, key: Key, arrival: Arrival, stored: bytes | None, kept: bytes | None) -> Joined:
    """Fold one event into the stored state of its order; ``kept`` is what the table of alerts holds of it."""
    found = advance(key, stored, [arrival])
    sent: list[tuple[str, bytes, bytes]] = []
    changes: tuple[Change, ...] = ()
    if found.record is not None and isinstance(found.after, OrderView):
        sent.append((ENRICHED, name, found.record))
        before = found.before if isinstance(found.before, OrderView) else None
        sent += [(UPDATES, name, encode_update(update)) for update in derive(before, found.after, DEFAULT_POLICIES)]
        recorded = decode_recorded(kept)
        now = time.time_ns() // 1000
        review = review_change(key, found, recorded, DEFAULT_ALERTS, now)
        sent += [(ALERTS, alert.id.encode(), encode_alert(alert)) for alert in review.alerts]
        changes = tuple(changes_of(name, recorded, review.recorded))
    sent += failures(key, arrival)
    return Joined(sent, None if found.stored is None else (name, found.stored), changes)


def failures(key: Key, arrival: Arrival) -> list[tuple[str, bytes, bytes]]:
    """A failed run goes on to the subscription it names."""
    if arrival.event_type != SubscriptionFailedEvent.__name__:
        return []
    model: Any = EVENT_TYPES[arrival.event_type].model
    event = model.model_validate_json(arrival.body)
    return [(FAILURES, other.text.encode(), body) for other, body in copies(event, key)]


def changes_of(name: bytes, before: Recorded, after: Recorded) -> list[Change]:
    """What changes in the table of alerts."""
    changes: list[Change] = []
    if after != before:
        changes.append((alert_name(name), encode_recorded(after)))
    if after.due != before.due:
        if before.due is not None:
            changes.append((_entry(before.due, name), None))
        if after.due is not None:
            changes.append((_entry(after.due, name), b""))
    return changes


def _subject(key: bytes) -> bytes:
    return KIND + b"|" + key


def _entry(due: int, key: bytes) -> bytes:
    return b"d%020d|" % due + _subject(key)


KIND = next(kind.name for kind in KINDS.values() if kind.table == "orders").encode()
