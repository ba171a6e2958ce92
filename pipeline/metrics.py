"""Every metric of the worker and the sinks, with its labels and meaning. The connectors have theirs beside them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "norce_pipeline_events",
    "Events that were worked on, by event type and what became of them: applied, duplicate, stale (older than what is "
    "still kept of the value), dead (it names no key: a dead letter), poison (it cannot be folded: a dead letter, its "
    "key is parked), parked (it waits behind a poison one of its key), dropped (from what was parked) or ignored (no "
    "state is kept of the type). Counted when it is written. An event that is read again after a crash, or released, "
    "counts again.",
    ("event_type", "outcome"),
)
EMITTED = Counter(
    "norce_pipeline_emitted",
    "Records sent, by topic. One that is sent again after a crash counts again.",
    ("topic",),
)
UPDATES = Counter(
    "norce_pipeline_updates",
    "Derived updates, by target and what became of them: delivered, unchanged (Norce has it already), superseded (a "
    "newer one of the same order took its place), no_order (Checkout knows no such order) or dead (a dead letter). "
    "Counted when it is written to the ledger.",
    ("target", "outcome"),
)
ALERTS_WITHHELD = Counter(
    "norce_pipeline_alerts_withheld",
    "Alerts that wait because 50 of the same thing are open, by kind of thing, each time the thing is looked at. They "
    "open when others have closed.",
    ("subject",),
)
PENDING = Gauge("norce_pipeline_updates_pending", "Derived updates read and not yet finished, by target.", ("target",))
PARKED_KEYS = Gauge("norce_pipeline_parked_keys", "Keys whose events wait behind one that cannot be folded.")
PARKED_EVENTS = Gauge("norce_pipeline_parked_events", "Events of parked keys, those that cannot be folded included.")
PARKED_SINCE = Gauge(
    "norce_pipeline_parked_since_seconds",
    "When the key was parked that has waited longest, seconds since 1970; 0 if none waits.",
)
LAG = Gauge(
    "norce_pipeline_lag",
    "Records between the committed offset and the end of the partition.",
    ("topic", "partition"),
)
UNFINISHED = Gauge("norce_pipeline_unfinished", "Records fetched and not yet finished.", ("topic", "partition"))
OLDEST = Gauge(
    "norce_pipeline_oldest_seconds",
    "Age of the oldest record that was fetched and is not finished: seconds since it was written, 0 if there is none.",
    ("topic",),
)
SKIPPED = Gauge(
    "norce_pipeline_skipped_offsets",
    "Offsets that the broker had already deleted when they were to be read. Anything but 0 is lost data.",
    ("topic", "partition"),
)
READY = Gauge("norce_pipeline_ready", "1 while tables are restored and partitions assigned.")
