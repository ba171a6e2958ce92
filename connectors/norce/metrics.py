"""Every metric of the Norce clients, with its labels and meaning."""

from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class NorceMetrics:
    """The metrics, in one registry. ``api`` is ``connect``, ``query`` or ``checkout``."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.calls = Counter(
            "norce_client_calls",
            "Calls to Norce by how they ended: ok, cancelled, or the name of the error. Repeats are inside one call.",
            ("api", "operation", "outcome"),
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "norce_client_attempt_seconds",
            "Seconds from sending one request to the last byte of its answer, or to giving it up.",
            ("api", "operation"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.retries = Counter(
            "norce_client_retries",
            "Attempts that are to be repeated, by reason: connect, timeout, broken, unreadable, missing, token, "
            "unauthorized, or the HTTP status.",
            ("api", "operation", "reason"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "norce_client_in_flight",
            "Requests sent whose answer is not complete.",
            ("api",),
            registry=registry,
        )
        self.breaker_state = Gauge(
            "norce_client_breaker_state",
            "Circuit breaker: 0 closed, 1 half open (one call is being tried), 2 open.",
            ("api",),
            registry=registry,
        )
        self.token_requests = Counter(
            "norce_client_token_requests",
            "Requests to Identity for a token: ok, refused (wrong credentials) or failed (to be repeated). "
            "Norce allows 3 a minute per address.",
            ("outcome",),
            registry=registry,
        )


@cache
def default_metrics() -> NorceMetrics:
    """The metrics in the registry that a process serves; made once, on first use."""
    return NorceMetrics()
