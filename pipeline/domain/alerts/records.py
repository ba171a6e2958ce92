"""The record of the alerts topic."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from pipeline.domain.alerts.catalogue import AlertKind, Severity
from pipeline.domain.limits import MAX_ALERT_VALUES
from pipeline.domain.records import TIME, ClientId, Record


class AlertState(StrEnum):
    """Whether it is still so."""

    OPEN = "open"
    CLOSED = "closed"


class ClosedBy(StrEnum):
    """What ended an alert."""

    EVENT = "event"
    """An event of Norce: ``event_type`` and ``event_id`` name it."""
    TIME = "time"
    """It expired: no event ends this kind for sure, or none did."""
    POLICY = "policy"
    """The times or thresholds were changed, and by the new ones it is not an alert."""


class Closing(Record, frozen=True):
    """What closed an alert."""

    cause: Annotated[ClosedBy, Meta(description="event, time or policy")]
    event_type: Annotated[str | None, Meta(description="Norce's event type, null if it was no event")]
    event_id: Annotated[str | None, Meta(description="ce_id of the record on the event topic, null if it was no event")]


class Alert(Record, frozen=True):
    """One alert as it is now. It may open again: the last record of a key stands."""

    id: Annotated[str, Meta(description="UUID made from kind, subject and item; the record's key")]
    kind: Annotated[AlertKind, Meta(description="What is wrong; the catalogue says what each kind means")]
    severity: Annotated[Severity, Meta(description="How bad it is")]
    state: Annotated[AlertState, Meta(description="open or closed")]
    subject: Annotated[str, Meta(description="Kind of thing it is about: order, product, invoice, subscription, job")]
    subject_key: Annotated[str, Meta(description="Key of the thing's enriched record")]
    item: Annotated[str | None, Meta(description="Which part of the thing, for kinds it can have several of")]
    order_key: Annotated[str | None, Meta(description="Key of the order it is about, null if none is known")]
    client_id: ClientId
    details: Annotated[dict[str, str], Meta(description="What the catalogue names for the kind, as text")]
    opened_at: Annotated[
        str, Meta(description=f"From when on it was so: receipt of what opened it, and what has to pass; {TIME}")
    ]
    opened_by: Annotated[
        tuple[str, ...],
        Meta(description=f"ce_ids of the events that opened it, as far as known, the first {MAX_ALERT_VALUES}"),
    ]
    closed_at: Annotated[str | None, Meta(description=f"When it ended, null while it is open; {TIME}")]
    closed_by: Annotated[Closing | None, Meta(description="What ended it, null while it is open")]
