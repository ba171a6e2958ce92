"""The privacy process's metrics, with their labels and meaning."""

from __future__ import annotations

from prometheus_client import Counter

EVENTS = Counter(
    "norce_pipeline_privacy_events",
    "Events of the topics that hold personal data, by what became of them: sealed, unchanged (nothing personal, or "
    "nothing new) or unreadable (the order worker puts those in the dead letters); and orders whose pseudonyms were "
    "published again because of other keys.",
    ("outcome",),
)
FORGOTTEN = Counter("norce_pipeline_privacy_forgotten", "Data keys that were destroyed by request.")
REQUESTS = Counter(
    "norce_pipeline_privacy_requests",
    "Requests to forget, one for each partition, by outcome: done or malformed.",
    ("outcome",),
)
