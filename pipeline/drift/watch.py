"""From the records of one partition to the deviations in them and the windows after them. No Kafka in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.drift import metrics
from pipeline.drift.deviations import Deviation, Kind, Looked, look
from pipeline.drift.documented import documented_fields
from pipeline.drift.reports import Report, Sighting, report
from pipeline.drift.shapes import NotAnObject, safe_name
from pipeline.drift.windows import Window, WindowRule, decode_window, encode_window
from pipeline.events import EventSpec, Reason, find, free_form
from pipeline.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from pipeline.topics import QUARANTINE

_DRIFT_REASONS = {Reason.WRONG_FIELDS, Reason.INEXACT_NUMBER}
"""Why a body can be in quarantine and still be what Norce meant to send."""

UNKNOWN = "unknown"

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


class Watch:
    """Looks at bodies and keeps the windows in which fields can be seen to stop."""

    def __init__(self, rule: WindowRule) -> None:
        self._rule = rule

    def step(self, records: Iterable[Any], read: Read) -> Seen:
        """Look at the records of one partition, in offset order per topic; ``read`` reads the table of windows."""
        bodies = [body for record in records if (body := _body(record)) is not None]
        names = {body.spec.name: body.spec.name.encode() for body in bodies}
        stored = read(list(names.values()))
        windows = {name: decode_window(stored.get(key)) for name, key in names.items()}
        seen = Seen()
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
                seen.reports[deviation.key] = report(spec, deviation, _sighting(body, looked))

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
    spec = _refused_spec(dict(record.headers)) if quarantined else _spec(envelope.event_type)
    return None if spec is None else _Body(record, spec, envelope, quarantined)


def _spec(event_type: str) -> EventSpec | None:
    """The event type's entry; one that the catalogue does not have is free form if its name is a name."""
    return find(event_type) or (free_form(event_type) if safe_name(event_type) == event_type else None)


def _refused_spec(headers: Mapping[str, bytes]) -> EventSpec | None:
    if headers.get("norce_reason", b"").decode(errors="replace") not in _DRIFT_REASONS:
        return None
    return find(headers.get("norce_event_type", b"").decode(errors="replace"))


def _refused(body: _Body, looked: Looked) -> list[Deviation]:
    """What the connector refused beyond the model: a number that no double can hold."""
    headers = dict(body.record.headers)
    if headers.get("norce_reason") != Reason.INEXACT_NUMBER.encode():
        return []
    name = headers.get("norce_where", b"").decode(errors="replace")
    if name not in documented_fields(body.spec.model) or any(name == found.field for found in looked.deviations):
        return []
    return [Deviation(body.spec.name, Kind.REFUSED, name, "number", Reason.INEXACT_NUMBER)]


def _sighting(body: _Body, looked: Looked) -> Sighting:
    record, envelope = body.record, body.envelope
    return Sighting(
        record.topic,
        record.partition,
        record.offset,
        envelope.event_id,
        envelope.received_at,
        body.quarantined,
        looked.shape,
    )


def _label(spec: EventSpec) -> str:
    """The event type as a metric's label, of which there must not be endlessly many."""
    return spec.name if find(spec.name) else UNKNOWN
