"""Every metric of every process, from the registries that serve them: for people, dashboards and their tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics import MetricWrapperBase

from connectors.norce.metrics import NorceMetrics
from connectors.webhook.metrics import Metrics as WebhookMetrics
from pipeline import metrics as shared
from pipeline.drift import metrics as drift
from pipeline.lookup import metrics as lookup
from pipeline.privacy import metrics as privacy
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
    found = [
        *_described(vars(WebhookMetrics()).values(), WEBHOOK),
        *_described(_defined(shared), STATEFUL),
        *_described(vars(NorceMetrics(CollectorRegistry())).values(), "sinks, lookup"),
        *_described(_defined(lookup), "lookup"),
        *_described(_defined(drift), "drift"),
        *_described(_defined(privacy), "privacy"),
        *_described(_defined(reconciliation), "reconcile --every"),
        *_described(_defined(console), "console"),
    ]
    return sorted(found, key=lambda metric: metric.name)


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


def _defined(module: ModuleType) -> Iterable[object]:
    return vars(module).values()


def _described(values: Iterable[object], processes: str) -> Iterator[Metric]:
    for value in values:
        if isinstance(value, MetricWrapperBase):
            (family,) = value.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = (*value._labelnames, *(("le",) if isinstance(value, Histogram) else ()))
            yield Metric(name, family.type, labels, processes, family.documentation)
