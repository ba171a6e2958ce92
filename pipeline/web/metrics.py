"""Metrics of the console."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "norce_console_requests",
    "Requests to the console, by route, method and status.",
    ("route", "method", "status"),
)
SECONDS = Histogram(
    "norce_console_request_seconds",
    "Seconds until a request to the console was answered, by route.",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
)
ACTIONS = Counter(
    "norce_console_actions",
    "What people did through the console: release, drop, retry, and reveal (personal values were shown).",
    ("action",),
)
