"""Every metric of every process: what each tells Prometheus, and the same for people, dashboards and their tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from connectors.norce.metrics import default_metrics as norce
from connectors.webhook.metrics import Metrics as WebhookMetrics
from pipeline import metrics as shared
from pipeline.drift import metrics as drift
from pipeline.lookup import metrics as lookup
from pipeline.privacy import metrics as privacy
from pipeline.quarantine import metrics as quarantine
from pipeline.reconciliation import metrics as reconciliation
from pipeline.web import metrics as console

WEBHOOK, STATEFUL = "webhook", "worker, sinks, lookup, drift, privacy"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``name`` is the one in queries; a histogram has ``_bucket``, ``_sum`` and ``_count`` after it."""

    name: str
    type: str
    labels: tuple[str, ...]
    processes: str
    meaning: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


def catalogue() -> list[Metric]:
    """All metrics of the pipeline, without those of Python and the operating system's process."""
    found = [metric for holder, processes in _holders() for metric in _described(holder, processes)]
    return sorted(found, key=lambda metric: metric.name)


def registry(process: str) -> CollectorRegistry:
    """What a process tells Prometheus; ``process`` as ``Metric.processes`` has it. The connector has one of its own.

    A process loads the modules of others as well. A gauge that it never sets would tell a 0 that is not true.
    """
    found = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=found)
    for holder, processes in _holders():
        if process in processes.split(", "):
            for metric in _metrics(holder):
                found.register(metric)
    return found


def rows() -> list[dict[str, Any]]:
    """The catalogue for tables and JSON."""
    return [{**asdict(metric), "labels": ", ".join(metric.labels)} for metric in catalogue()]


def markdown() -> str:
    """The catalogue as a document."""
    lines = [
        "# Metrics",
        "",
        "Made by `make k8s` from the code; `norce-pipeline metrics` prints the same.",
        "",
        "| metric | type | labels | processes | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += ["| `{name}` | {type} | {labels} | {processes} | {meaning} |".format(**row) for row in rows()]
    return "\n".join(lines) + "\n"


def _holders() -> list[tuple[object, str]]:
    """Modules and objects whose attributes are metrics, with the processes that tell them."""
    return [
        (WebhookMetrics(), WEBHOOK),
        (shared, STATEFUL),
        (norce(), "sinks, lookup, reconcile --every"),
        (lookup, "lookup"),
        (drift, "drift"),
        (privacy, "privacy"),
        (reconciliation, "reconcile --every"),
        (console, "console"),
        (quarantine, "console"),
    ]


def _metrics(holder: object) -> Iterator[MetricWrapperBase]:
    return (value for value in vars(holder).values() if isinstance(value, MetricWrapperBase))


def _described(holder: object, processes: str) -> Iterator[Metric]:
    for value in _metrics(holder):
        (family,) = value.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = (*value._labelnames, *(("le",) if isinstance(value, Histogram) else ()))
        yield Metric(name, family.type, labels, processes, family.documentation)
