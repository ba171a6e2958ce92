"""From the records of one partition to the deviations in them and the windows after them. No Kafka in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.drift import metrics
from pipeline.drift.deviations import UNKNOWN, Deviation, Kind, Looked, look
from pipeline.drift.documented import documented_fields
from pipeline.drift.reports import Report, Sighting, report
from pipeline.drift.shapes import ODD_NAME, NotAnObject, Shape, read_object, safe_name, shape_of
from pipeline.drift.windows import Window, WindowRule, decode_window, encode_window
from pipeline.events import EventSpec, Reason, find, free_form
from pipeline.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from pipeline.topics import QUARANTINE

_DRIFT_REASONS = {Reason.WRONG_FIELDS, Reason.INEXACT_NUMBER}
"""Why a body can be in quarantine and still be what Norce meant to send."""

Read = Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
"""Reads the values of a table's keys."""


@dataclass(slots=True)
class Seen:
    """What is in the records of one partition: reports by key, each with its first sighting, and changed windows."""

    reports: dict[str, Report] = field(default_factory=dict)
    windows: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Body:
    """A record whose body is to be looked at."""

    record: Any
    spec: EventSpec
    envelope: Envelope
    quarantined: bool
    known: bool = True
    """False for a body that is in quarantine because the catalogue does not have its event type."""


class Watch:
    """Looks at bodies and keeps the windows in which fields can be seen to stop."""

    def __init__(self, rule: WindowRule) -> None:
        self._rule = rule

    def step(self, records: Iterable[Any], read: Read) -> Seen:
        """Look at the records of one partition, in offset order per topic; ``read`` reads the table of windows."""
        found = [body for record in records if (body := _body(record)) is not None]
        bodies = [body for body in found if body.known]
        names = {body.spec.name: body.spec.name.encode() for body in bodies}
        stored = read(list(names.values()))
        windows = {name: decode_window(stored.get(key)) for name, key in names.items()}
        seen = Seen()
        for body in found:
            if not body.known:
                _unknown(seen, body)
        for body in bodies:
            self._look(seen, body, windows[body.spec.name])
        encoded = {key: encode_window(windows[name]) for name, key in names.items()}
        seen.windows = {key: window for key, window in encoded.items() if window != stored.get(key)}
        return seen

    def _look(self, seen: Seen, body: _Body, window: Window) -> None:
        spec = body.spec
        label = _label(spec)
        try:
            looked = look(spec, body.record.value or b"")
        except NotAnObject:
            metrics.BODIES.labels(label, "unreadable").inc()
            return
        deviations = [*looked.deviations, *_refused(body, looked), *self._stopped(body, looked, window)]
        metrics.BODIES.labels(label, "drifted" if deviations else "documented").inc()
        for deviation in deviations:
            metrics.DEVIATIONS.labels(label, deviation.kind).inc()
            if deviation.key not in seen.reports:
                seen.reports[deviation.key] = report(spec, deviation, _sighting(body, looked.shape))

    def _stopped(self, body: _Body, looked: Looked, window: Window) -> list[Deviation]:
        if body.quarantined or not body.spec.documented:
            return []
        optional = [name for name, known in documented_fields(body.spec.model).items() if not known.required]
        stopped = window.take(self._rule, body.record.offset, optional, looked.present)
        return [Deviation(body.spec.name, Kind.STOPPED, name) for name in stopped]


def _body(record: Any) -> _Body | None:
    """What is to be looked at, if the record is an event or a body that was refused for its fields."""
    quarantined = record.topic == QUARANTINE
    try:
        envelope = read_envelope(record.headers)
    except UnreadableEnvelope:
        metrics.BODIES.labels(UNKNOWN, "unreadable").inc()
        return None
    if quarantined and _header(record, "norce_reason") == Reason.UNKNOWN_EVENT_TYPE:
        spec = free_form(safe_name(_header(record, "norce_event_type")))
        return _Body(record, spec, envelope, quarantined, known=False)
    found = _refused_spec(record) if quarantined else _spec(envelope.event_type)
    return None if found is None else _Body(record, found, envelope, quarantined)


def _unknown(seen: Seen, body: _Body) -> None:
    """One report for each name; names that are none, and may be anything, have one together."""
    deviation = Deviation(body.spec.name, Kind.UNKNOWN_TYPE, ODD_NAME)
    metrics.BODIES.labels(UNKNOWN, "drifted").inc()
    metrics.DEVIATIONS.labels(UNKNOWN, deviation.kind).inc()
    if deviation.key not in seen.reports:
        seen.reports[deviation.key] = report(body.spec, deviation, _sighting(body, _whole_shape(body.record.value)))


def _whole_shape(body: bytes | None) -> Shape:
    """The shape of a body that may be no object at all."""
    try:
        return shape_of(read_object(body or b""))
    except NotAnObject:
        return "any"


def _spec(event_type: str) -> EventSpec | None:
    """The event type's entry; one that the catalogue does not have is free form if its name is a name."""
    return find(event_type) or (free_form(event_type) if safe_name(event_type) == event_type else None)


def _refused_spec(record: Any) -> EventSpec | None:
    return find(_header(record, "norce_event_type")) if _header(record, "norce_reason") in _DRIFT_REASONS else None


def _header(record: Any, name: str) -> str:
    found: bytes = dict(record.headers).get(name, b"")
    return found.decode(errors="replace")


def _refused(body: _Body, looked: Looked) -> list[Deviation]:
    """What the connector refused beyond the model: a number that no double can hold."""
    if _header(body.record, "norce_reason") != Reason.INEXACT_NUMBER:
        return []
    name = _header(body.record, "norce_where")
    if name not in documented_fields(body.spec.model) or any(name == found.field for found in looked.deviations):
        return []
    return [Deviation(body.spec.name, Kind.REFUSED, name, "number", Reason.INEXACT_NUMBER)]


def _sighting(body: _Body, shape: Shape) -> Sighting:
    record, envelope = body.record, body.envelope
    return Sighting(
        record.topic,
        record.partition,
        record.offset,
        envelope.event_id,
        envelope.received_at,
        body.quarantined,
        shape,
    )


def _label(spec: EventSpec) -> str:
    """The event type as a metric's label, of which there must not be endlessly many."""
    return spec.name if find(spec.name) else UNKNOWN
