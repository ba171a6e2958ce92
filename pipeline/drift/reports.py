"""The drift report: one JSON record per event type and shape."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from pipeline.drift.deviations import Deviation, Kind
from pipeline.drift.documented import DocumentedField, documented_fields
from pipeline.drift.shapes import ODD_NAME, Shape
from pipeline.drift.suggestions import suggestion
from pipeline.events import EventSpec

MAX_REPORTS = 100
"""Reports of one event type. What comes after them is one report of kind ``too_many``."""

_NAMESPACE = uuid.UUID("2f0f0c5f-6d0b-5d6a-9a3f-6f0a3d7d5c11")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The record in which a deviation was seen first.

    ``received_at`` is in microseconds since 1970. ``quarantined`` says that the body was not taken as an event.
    """

    topic: str
    partition: int
    offset: int
    event_id: str
    received_at: int
    quarantined: bool
    shape: Shape


@dataclass(frozen=True, slots=True)
class Report:
    """A deviation, where it was seen first, and the model change that would take it in."""

    deviation: Deviation
    documented: DocumentedField | None
    sighting: Sighting
    suggestion: str

    @property
    def key(self) -> str:
        """The record's key: event type and a digest of the shape."""
        return self.deviation.key

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps(self.as_json())

    def as_json(self) -> Mapping[str, Any]:
        """The fields of the record; no value of a body is among them."""
        deviation, documented, seen = self.deviation, self.documented, self.sighting
        received = _EPOCH + timedelta(microseconds=seen.received_at)
        return {
            "id": str(uuid.uuid5(_NAMESPACE, self.key)),
            "event_type": deviation.event_type,
            "kind": deviation.kind,
            "field": deviation.field,
            "documented": documented and {"types": sorted(documented.types), "required": documented.required},
            "observed": deviation.observed,
            "rule": deviation.rule or None,
            "suggestion": self.suggestion,
            "example": seen.shape,
            "quarantined": seen.quarantined,
            "first_seen_at": received.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "source": {
                "topic": seen.topic,
                "partition": seen.partition,
                "offset": seen.offset,
                "event_id": seen.event_id,
            },
        }


def report(spec: EventSpec, deviation: Deviation, sighting: Sighting) -> Report:
    """The report of a deviation."""
    documented = documented_fields(spec.model).get(deviation.field)
    return Report(deviation, documented, sighting, suggestion(spec, deviation))


def event_type_of(key: str) -> str:
    """The event type that a report's key begins with."""
    return key.partition(":")[0]


def overflow(spec: EventSpec, sighting: Sighting) -> Report:
    """The one report that stands for all beyond ``MAX_REPORTS``."""
    return report(spec, Deviation(spec.name, Kind.TOO_MANY, ODD_NAME), sighting)
