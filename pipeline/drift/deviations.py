"""Where a body deviates from what its event model documents.

A deviation is about one field and says nothing that two bodies with the same drift would say differently. So the set of
deviations of many bodies depends neither on their order nor on how often each came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from pipeline.drift.documented import documented_fields
from pipeline.drift.shapes import Shape, canonical, read_object, safe_name, shape_of, type_of
from pipeline.events import EventSpec


class Kind(StrEnum):
    """How a field deviates."""

    ADDED = "added"
    """Norce sends a field that the model does not have."""
    RETYPED = "retyped"
    """The field has a JSON type that the model does not take."""
    MISSING = "missing"
    """A field that the model requires is not there."""
    REFUSED = "refused"
    """The JSON type is right and the value breaks a rule of the model, such as a list of words or a range."""
    STOPPED = "stopped"
    """An optional field that most bodies had is not sent any more. Told by a window over bodies, not by one body."""
    UNKNOWN_TYPE = "unknown_type"
    """The catalogue does not have the event type, so its bodies are in quarantine."""
    TOO_MANY = "too_many"
    """The event type has more shapes than are reported one by one."""


UNKNOWN = "unknown"
"""Stands for all event types that the catalogue does not have, of which there may be endlessly many."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One field of one event type that is not as documented.

    ``observed`` is the shape of the field's value, ``None`` where there is none. ``rule`` is pydantic's name of the
    rule that a refused value breaks.
    """

    event_type: str
    kind: Kind
    field: str
    observed: Shape | None = None
    rule: str = ""

    @property
    def key(self) -> str:
        """The key of the one report of this deviation: event type and a digest of the shape.

        Unknown types share one beginning, so that their number is limited like the number of one type's shapes.
        """
        if self.kind is Kind.UNKNOWN_TYPE:
            return f"{UNKNOWN}:{hashlib.sha256(self.event_type.encode()).hexdigest()[:16]}"
        identity = canonical([self.kind, self.field, self.observed, self.rule])
        return f"{self.event_type}:{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at one body found: its shape, which fields hold something, and what deviates."""

    shape: Shape
    present: frozenset[str]
    deviations: tuple[Deviation, ...]


def look(spec: EventSpec, body: bytes) -> Looked:
    """Compare a body with the model of its event type.

    Raises:
        NotAnObject: there are no fields to compare.
    """
    document = read_object(body)
    documented = documented_fields(spec.model)
    found = [
        Deviation(spec.name, Kind.ADDED, safe_name(name), shape_of(value))
        for name, value in document.items()
        if name not in documented
    ]
    found += _refusals(spec, body, document)
    distinct = {deviation.key: deviation for deviation in found}
    present = frozenset(name for name, value in document.items() if value is not None)
    return Looked(shape_of(document), present, tuple(distinct[key] for key in sorted(distinct)))


def _refusals(spec: EventSpec, body: bytes, document: Mapping[str, Any]) -> list[Deviation]:
    """What the model itself refuses: it alone decides, so a report never contradicts the connector."""
    try:
        spec.model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        by_field = {str(problem["loc"][0]): problem["type"] for problem in problems if problem["loc"]}
        return [_refusal(spec, name, rule, document) for name, rule in by_field.items()]
    return []


def _refusal(spec: EventSpec, name: str, rule: str, document: Mapping[str, Any]) -> Deviation:
    if name not in document:
        return Deviation(spec.name, Kind.MISSING, name)
    value = document[name]
    if documented_fields(spec.model)[name].takes(type_of(value)):
        return Deviation(spec.name, Kind.REFUSED, name, shape_of(value), rule)
    return Deviation(spec.name, Kind.RETYPED, name, shape_of(value))
