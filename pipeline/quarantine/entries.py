"""One body in quarantine, with what its headers say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.events import Reason
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.quarantine.retries import Outcome
from pipeline.topics import QUARANTINE

WAITING = "waiting"
"""State of a body that nobody has tried again."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One body. ``event_type`` is what the request asked for, as text; ``received_at`` in microseconds since 1970."""

    partition: int
    offset: int
    id: str
    received_at: int
    event_type: str
    reason: str
    detail: str
    where: str
    source: str
    body: bytes
    readable: bool
    """False if its headers do not say what it is: somebody else than the connector wrote it. Then it has no id."""
    headers: Mapping[str, str]

    @classmethod
    def of(cls, record: Any) -> Entry:
        """The entry of a record of the quarantine."""
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        try:
            envelope = read_envelope(record.headers)
            id, received_at, readable = envelope.event_id, envelope.received_at, True
        except UnreadableEnvelope:
            id, received_at, readable = "", record.timestamp * 1000, False
        said = {name: headers.get(f"norce_{name}", "") for name in ("event_type", "reason", "detail", "where")}
        return cls(
            partition=record.partition,
            offset=record.offset,
            id=id,
            received_at=received_at,
            source=headers.get("ce_source", ""),
            body=record.value or b"",
            readable=readable,
            headers=headers,
            **said,
        )

    @property
    def place(self) -> str:
        """What operators call it."""
        return f"{self.partition}:{self.offset}"

    @property
    def origin(self) -> str:
        """The value of the header ``norce_retried_from`` of its event."""
        return f"{QUARANTINE}/{self.partition}/{self.offset}"

    @property
    def received(self) -> datetime:
        """When, UTC."""
        return _EPOCH + timedelta(microseconds=self.received_at)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of event types that the request gave; several only if that was what was wrong with it."""
        if self.reason == Reason.CONTRADICTORY_EVENT_TYPE:
            return tuple(self.event_type.split(", "))
        return (self.event_type,) if self.event_type else ()


@dataclass(frozen=True, slots=True)
class Row:
    """A body and what became of it: the outcome of its last retry, ``None`` if there was none."""

    entry: Entry
    outcome: Outcome | None

    @property
    def state(self) -> str:
        return WAITING if self.outcome is None else self.outcome.value

    def json(self) -> dict[str, Any]:
        """In short, for programs; times in milliseconds since 1970."""
        entry = self.entry
        return {
            "id": entry.place,
            "ce_id": entry.id or None,
            "state": self.state,
            "received_at": entry.received_at // 1000,
            "event_type": entry.event_type,
            "reason": entry.reason,
            "detail": entry.detail,
            "where": entry.where,
            "bytes": len(entry.body),
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which bodies are meant; what is ``None`` does not matter. ``since`` is in milliseconds since 1970."""

    since: int | None = None
    event_type: str | None = None
    reason: str | None = None
    settled: bool = False
    """Also those that were retried."""

    def takes(self, row: Row) -> bool:
        entry = row.entry
        return (
            (self.since is None or entry.received_at >= self.since * 1000)
            and (self.event_type is None or self.event_type.lower() == entry.event_type.lower())
            and (self.reason is None or self.reason == entry.reason)
            and (self.settled or row.outcome is not Outcome.RETRIED)
        )
