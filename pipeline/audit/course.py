"""The course of an audit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.audit import snapshot
from pipeline.audit.database import Database, database
from pipeline.audit.events import Events
from pipeline.audit.evidence import Evidence, Load
from pipeline.audit.reading import Reader, Span, reader
from pipeline.audit.report import Report
from pipeline.audit.snapshot import Groups, Period, Snapshot
from pipeline.audit.states import States
from pipeline.audit.tally import Tally
from pipeline.audit.updates import Updates
from pipeline.progress import Progress, Silent
from pipeline.settings import KafkaSettings

__all__ = ["Groups", "Period", "Request", "audit"]

HOUR = 3_600_000
EVER = Period()


@dataclass(frozen=True, slots=True)
class Request:
    """What to audit.

    ``bucket`` is in milliseconds. ``types`` are event types; if any are named, updates are left out. ``folder`` is
    where the temporary database goes. ``bytes_per_second`` bounds how fast is read.
    """

    period: Period = EVER
    bucket: int = HOUR
    types: frozenset[str] = frozenset()
    folder: Path | None = None
    bytes_per_second: float = 32 * 1024**2


@contextmanager
def audit(kafka: KafkaSettings, groups: Groups, request: Request, progress: Progress | None = None) -> Iterator[Report]:
    """Audit; the report is good until the context is left, which removes everything temporary.

    Raises:
        BrokerUnreachable, TopicMissing, OSError
    """
    progress = progress or Silent()
    now = int(time.time() * 1000)
    with database(request.folder) as rows:
        with reader(kafka, request.bytes_per_second) as topics:
            _read(topics, rows, groups, request, progress)
        yield compare(rows, request, progress, now)


def _read(topics: Reader, rows: Database, groups: Groups, request: Request, progress: Progress) -> None:
    progress.begin("looking at the topics", None)
    found = snapshot.take(topics, groups, request.period, with_updates=not request.types)
    evidence = Evidence(rows, found, groups, request.period)
    progress.begin("reading", found.records())
    evidence.retries(topics.read(found.retries, progress.advance))
    found = found.reaching(evidence.published)
    evidence.reach(found)
    for spans, load in _parts(found, evidence):
        load(topics.read(spans, progress.advance))
    evidence.begun(topics.read([Span(place, first, first + 1) for place, first in found.begun.items()], _ignore))
    evidence.finish()


def _parts(found: Snapshot, evidence: Evidence) -> Iterator[tuple[Sequence[Span], Load]]:
    yield found.ledger, evidence.ledger
    yield found.letters, evidence.letters
    yield found.states, evidence.states
    yield found.enriched, evidence.enriched
    for target, spans in found.sent.items():
        yield spans, partial(evidence.sent, target)
    yield found.updates, evidence.updates
    yield found.quarantine, evidence.quarantine
    yield found.sources, evidence.sources
    yield found.moving, evidence.moving


def compare(rows: Database, request: Request, progress: Progress, now: int) -> Report:
    """What the evidence comes to; ``now`` is in milliseconds since 1970."""
    events, updates = Tally(request.bucket), Tally(request.bucket)
    judges = Events(rows, request.types)
    progress.begin("comparing states", _size(rows, "states"))
    for done in States(rows).unpack():
        progress.advance(done)
    progress.begin("comparing events", _size(rows, "events"))
    for done in judges.judge(events):
        progress.advance(done)
    judges.unheard(request.period.start, request.period.end)
    progress.begin("comparing updates", _size(rows, "updates"))
    for done in Updates(rows).judge(updates):
        progress.advance(done)
    return Report(rows, events, updates, now)


def _size(rows: Database, name: str) -> int:
    (count,) = rows.one(f"SELECT count(*) FROM {name}") or (0,)  # noqa: S608 - one of our tables
    return int(count)


def _ignore(count: Any) -> None:
    return
