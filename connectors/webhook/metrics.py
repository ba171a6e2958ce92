"""Every metric of the connector, with its labels, in one place.

Labels come from fixed sets only (the event catalogue, the table of answers, the reasons), so that no sender can make
new time series: an event type that the catalogue does not name is counted as ``unknown``.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from connectors.webhook.outage import Outage
from pipeline.events import EventSpec

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNKNOWN = "unknown"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
_BYTES = (128, 256, 512, 1024, 4096, 16_384, 65_536)


class Metrics:
    """The metrics of one connector, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

        self.requests = Counter(
            "norce_webhook_requests",
            "Requests to the webhook endpoint, by event type and by the name of the answer",
            ["event_type", "answer"],
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str], Counter] = {}
        self.seconds = Histogram(
            "norce_webhook_request_seconds",
            "Seconds from the headers of a request to the webhook endpoint until its answer, whatever that is",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.reloads = Counter(
            "norce_webhook_reloads",
            "Changes of the secrets or the certificate that were taken, or refused because they are not usable",
            ["what", "outcome"],
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "norce_webhook_in_flight", "Requests that are read or wait for Kafka", registry=self.registry
        )
        self.quarantined = Counter(
            "norce_webhook_quarantined", "Requests kept in quarantine, by reason", ["reason"], registry=self.registry
        )
        self.body_bytes = Histogram(
            "norce_webhook_body_bytes", "Size of authenticated bodies, bytes", registry=self.registry, buckets=_BYTES
        )
        self.produce_seconds = Histogram(
            "norce_webhook_produce_seconds",
            "Seconds until Kafka acknowledged a record; what is not acknowledged is not in here",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.not_acknowledged = Counter(
            "norce_webhook_not_acknowledged",
            "Records that Kafka did not acknowledge in time, by kind of trouble",
            ["trouble"],
            registry=self.registry,
        )
        self.unacknowledged = Gauge(
            "norce_webhook_unacknowledged", "Records that Kafka has still to acknowledge", registry=self.registry
        )
        self.producers = Counter(
            "norce_webhook_producers",
            "Kafka producers started; more than one: one could not go on, or left a record unacknowledged for long",
            registry=self.registry,
        )

        self.outage_budget = Gauge(
            "norce_webhook_outage_budget_seconds",
            "Seconds until Norce gives up the oldest delivery that may still be refused; all 22 hours if there is none",
            registry=self.registry,
        )
        self.oldest_refused = Gauge(
            "norce_webhook_oldest_refused_seconds",
            "Seconds since the oldest delivery that may still be refused was refused first; 0 if there is none",
            registry=self.registry,
        )
        self.given_up = Gauge(
            "norce_webhook_given_up",
            "1 if refusals went on for so long that Norce may have given events up; reconcile then",
            registry=self.registry,
        )

    def watch(self, in_flight: Callable[[], int], unacknowledged: Callable[[], int], outage: Outage) -> None:
        """Where the gauges look."""
        self.in_flight.set_function(in_flight)
        self.unacknowledged.set_function(unacknowledged)
        self.outage_budget.set_function(lambda: outage.budget().left)
        self.oldest_refused.set_function(lambda: outage.budget().age or 0.0)
        self.given_up.set_function(lambda: float(outage.given_up))

    def count(self, spec: EventSpec | None, answer: str, seconds: float) -> None:
        """One request answered; ``spec`` is None for a type that the catalogue does not name."""
        labels = UNKNOWN if spec is None else spec.name, answer
        counter = self._counters.get(labels)
        if counter is None:  # looking it up by its labels, under the client's lock, costs more than counting
            counter = self._counters[labels] = self.requests.labels(*labels)
        counter.inc()
        self.seconds.observe(seconds)

    def expose(self) -> bytes:
        """All metrics as Prometheus text."""
        return generate_latest(self.registry)
