"""The drift watch's metrics, with their labels and meaning."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

BODIES = Counter(
    "norce_pipeline_drift_bodies",
    "Bodies that were looked at, by event type and what was found: documented, drifted, or unreadable (no event type "
    "or no object). A body that is read again after a crash counts again.",
    ("event_type", "outcome"),
)
DEVIATIONS = Counter(
    "norce_pipeline_drift_deviations",
    "Deviations from the documented fields, each time one was seen, by event type and kind: added, retyped, missing, "
    "refused (the value breaks a rule), stopped (not sent any more), unknown_type (the catalogue does not have it).",
    ("event_type", "kind"),
)
REPORTS = Gauge(
    "norce_pipeline_drift_reports",
    "Reports on the drift topic, by event type. Anything but 0 wants a look at norce.drift.",
    ("event_type",),
)
