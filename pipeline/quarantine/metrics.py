"""Metrics of what waits in quarantine."""

from __future__ import annotations

from prometheus_client import Gauge

WAITING = Gauge(
    "norce_quarantine_waiting",
    "Bodies in quarantine that no retry has made an event of, by reason; as of the last look, 30 s ago at most.",
    ("reason",),
)
LEFT = Gauge(
    "norce_quarantine_left_seconds",
    "Seconds until the first of them is deleted, by NORCE_KAFKA_BODY_RETENTION_DAYS; all of it if none waits.",
)


def waiting() -> int | None:
    """How many wait, of all reasons; ``None`` until they are counted first."""
    counts = [sample.value for family in WAITING.collect() for sample in family.samples]
    return int(sum(counts)) if counts else None
