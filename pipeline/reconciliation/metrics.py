"""Every metric of the reconciliation, with its labels and meaning."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SWEEPS = Counter("norce_pipeline_sweeps", "Sweeps, by how they ended: complete or unfinished.", ("outcome",))
RECONCILED = Counter(
    "norce_pipeline_reconciled_events", "Missing events published as reconciled, by event type.", ("event_type",)
)
DIFFERENCES = Gauge(
    "norce_pipeline_sweep_differences",
    "Differences of the last complete sweep that no event can mend, by kind.",
    ("kind",),
)
LAST_COMPLETE = Gauge(
    "norce_pipeline_sweep_last_complete_seconds", "When the last complete sweep ended, seconds since 1970."
)
