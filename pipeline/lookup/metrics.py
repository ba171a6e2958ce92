"""The metrics of the look-ups, with their labels and meaning. Calls to Query are counted by the client."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

READ = Counter(
    "norce_pipeline_lookup_records",
    "Enriched records that were read, by kind and what they gave reason for: asked, cached (what is known is good, or "
    "is being asked for), nothing (there is nothing to ask), or no_application (see NORCE_LOOKUP_APPLICATIONS).",
    ("kind", "outcome"),
)
LOOKUPS = Counter(
    "norce_pipeline_lookups",
    "Look-ups that came to an end, by kind and outcome: answered, unchanged (answered as before), unknown (Query does "
    "not know it; asked again later), given_up (unknown too often), dead (a dead letter) or outdated (another process "
    "has the partition now).",
    ("kind", "outcome"),
)
WAITING = Gauge("norce_pipeline_lookups_waiting", "Look-ups that are due or under way; of each partition 1000 at most.")
OLDEST = Gauge("norce_pipeline_lookups_oldest_seconds", "Seconds since when the oldest of them is due, 0 without any.")
