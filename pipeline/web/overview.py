"""The pipeline at this moment, from the metrics of its processes: the stages from the webhook to Norce.

Looks are shared: however many watch, each process is asked once a second at most, and not at all when nobody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from pipeline.domain.times import rfc3339
from pipeline.quarantine import metrics as quarantine
from pipeline.scraping import Metrics

FRESH = 1.0
"""Seconds for which a look is good."""
TIMEOUT = 2.0
"""Seconds that a process has to answer."""
MEMORY = 15.0
"""Seconds over which rates are measured."""

BREAKER_STATES = ("closed", "half_open", "open")

TITLES: Mapping[str, str] = {
    "webhook": "Webhook connector",
    "worker": "Worker",
    "sink-connect": "Connect sink",
    "sink-checkout": "Checkout sink",
    "lookup": "Look-ups",
    "drift": "Drift watch",
    "privacy": "Personal data",
}
"""The stages, in the direction of the stream."""


@dataclass(frozen=True)
class _Look:
    at: float
    counts: Mapping[str, Mapping[str, int]]


class _Stage:
    """The processes of a stage and what their metrics come to."""

    def __init__(self, name: str, processes: Sequence[Mapping[str, Any]], each: Sequence[Metrics]) -> None:
        self.name, self.processes, self.each = name, processes, each
        self.sum = Metrics()
        for metrics in each:
            self.sum.add(metrics)
        self.counts = _counts(name, self.sum)
        self.lagging = any(True for _ in self.sum.values("norce_pipeline_lag"))

    def json(self, rates: Mapping[str, float | None]) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": TITLES[self.name],
            "processes": list(self.processes),
            "counts": self.counts,
            "rates": {name: None if rate is None else round(rate, 2) for name, rate in rates.items()},
            "lag": self.sum.total("norce_pipeline_lag") if self.lagging else None,
            "pending": self.sum.total("norce_pipeline_updates_pending") if self.name.startswith("sink-") else None,
            "oldest_seconds": _oldest(self.name, self.each),
            "errors": _errors(self.name, self.sum),
            "breakers": _breakers(self.each),
        }


@dataclass
class Overview:
    """Looks at every process. ``addresses`` has the base URLs of each stage.

    ``in_quarantine`` counts the bodies that wait there, which no process but the console does; ``None`` until it has.
    """

    addresses: Mapping[str, Sequence[str]]
    resolve: Callable[[str], Awaitable[list[str]]]
    client: httpx.AsyncClient
    in_quarantine: Callable[[], int | None] = quarantine.waiting
    _past: list[_Look] = field(default_factory=list)
    _last: tuple[float, dict[str, Any]] | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> dict[str, Any]:
        """The overview, at most a second old."""
        async with self._looking:
            if self._last is None or time.monotonic() - self._last[0] > FRESH:
                self._last = time.monotonic(), await self._look()
            return self._last[1]

    async def _look(self) -> dict[str, Any]:
        names = [name for name in TITLES if name in self.addresses]
        stages = {stage.name: stage for stage in await asyncio.gather(*map(self._stage, names))}
        before = self._remember(_Look(time.monotonic(), {name: stage.counts for name, stage in stages.items()}))
        worker = stages["worker"].sum if "worker" in stages else Metrics()
        return {
            "at": rfc3339(time.time_ns() // 1000),
            "stages": [stage.json(_rates(before, name, stage.counts)) for name, stage in stages.items()],
            "ledger": {
                "events": dict(worker.by("norce_pipeline_events_total", "outcome")),
                "updates": {
                    name.removeprefix("sink-"): stage.counts
                    for name, stage in stages.items()
                    if name.startswith("sink-")
                },
            },
            "balance": _balance(list(stages.values())),
            "parked_keys": worker.total("norce_pipeline_parked_keys"),
            "parked_events": worker.total("norce_pipeline_parked_events"),
            "in_quarantine": self.in_quarantine(),
        }

    async def _stage(self, name: str) -> _Stage:
        urls = [url for found in await asyncio.gather(*map(self.resolve, self.addresses[name])) for url in found]
        looked = await asyncio.gather(*map(self._process, urls))
        return _Stage(name, [process for process, _ in looked], [metrics for _, metrics in looked])

    async def _process(self, url: str) -> tuple[dict[str, Any], Metrics]:
        try:
            ready, text = await asyncio.gather(
                self.client.get(f"{url}/readyz", timeout=TIMEOUT), self.client.get(f"{url}/metrics", timeout=TIMEOUT)
            )
        except httpx.HTTPError as error:
            return {"url": url, "up": False, "ready": False, "reason": type(error).__name__}, Metrics()
        reason = None if ready.is_success else _reason(ready)
        metrics = Metrics.parse(text.text) if text.is_success else Metrics()
        return {"url": url, "up": True, "ready": ready.is_success, "reason": reason}, metrics

    def _remember(self, look: _Look) -> _Look | None:
        """Keep a look; returns the oldest one that is not too old to tell a rate from."""
        self._past = [past for past in self._past if look.at - past.at <= MEMORY]
        before = self._past[0] if self._past else None
        self._past.append(look)
        return before


def _balance(stages: Sequence[_Stage]) -> dict[str, Any]:
    """What has no end yet, as far as the gauges of the workers and the sinks tell.

    ``waiting`` are records of the workers' input whose offset is not committed, and an offset is committed only once
    the event's end is in the ledger; ``unsent`` the same of the sinks, ``parked`` events of parked keys. ``skipped``
    are offsets that Kafka had deleted before they were read: lost. Null where a process that would know is silent, not
    ready, or has looked at no partition yet. Whether each entry of the ledger is right is beyond metrics:
    ``norce-pipeline audit`` compares ids.
    """
    told = [stage for stage in stages if stage.name == "worker" or stage.name.startswith("sink-")]
    silent = {stage.name for stage in told if not stage.processes or not all(map(_ready, stage.processes))}

    def total(series: str, *, workers: bool) -> int | None:
        """Over the workers, or over the sinks."""
        asked = [stage for stage in told if (stage.name == "worker") is workers]
        if any(stage.name in silent or not stage.lagging for stage in asked) or not asked:
            return None
        return sum(stage.sum.total(series) for stage in asked)

    return {
        "silent": [TITLES[stage.name] for stage in told if stage.name in silent],
        "waiting": total("norce_pipeline_lag", workers=True),
        "parked": total("norce_pipeline_parked_events", workers=True),
        "unsent": total("norce_pipeline_lag", workers=False),
        "skipped": sum(stage.sum.total("norce_pipeline_skipped_offsets") for stage in told),
    }


def _ready(process: Mapping[str, Any]) -> bool:
    return bool(process["up"] and process["ready"])


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("reason", ""))
    except (ValueError, AttributeError):
        return f"HTTP {answer.status_code}"


def _counts(name: str, metrics: Metrics) -> dict[str, int]:
    if name == "webhook":
        by = metrics.by("norce_webhook_requests_total", "answer")
        return {answer: by[answer] for answer in sorted(by)}
    if name == "worker":
        return {
            "events": metrics.total("norce_pipeline_events_total"),
            "records sent": metrics.total("norce_pipeline_emitted_total"),
        }
    if name.startswith("sink-"):
        return dict(sorted(metrics.by("norce_pipeline_updates_total", "outcome").items()))
    if name == "lookup":
        return dict(sorted(metrics.by("norce_pipeline_lookups_total", "outcome").items()))
    if name == "drift":
        return {"reports": metrics.total("norce_pipeline_drift_reports")}
    return dict(sorted(metrics.by("norce_pipeline_privacy_events_total", "outcome").items()))


def _rates(before: _Look | None, name: str, counts: Mapping[str, int]) -> dict[str, float | None]:
    """Per second since an earlier look. What began anew in between, as counters do at a restart, has no rate."""
    if before is None or name not in before.counts:
        return dict.fromkeys(counts)
    seconds = time.monotonic() - before.at
    then = before.counts[name]
    return {
        each: (count - then.get(each, 0)) / seconds if count >= then.get(each, 0) and seconds > 0 else None
        for each, count in counts.items()
    }


def _errors(name: str, metrics: Metrics) -> int:
    if name == "webhook":
        by = metrics.by("norce_webhook_requests_total", "answer")
        return sum(count for answer, count in by.items() if answer not in ("accepted", "quarantined"))
    if name == "worker":
        by = metrics.by("norce_pipeline_events_total", "outcome")
        return by["dead"] + by["poison"]
    if name.startswith("sink-"):
        return metrics.by("norce_pipeline_updates_total", "outcome")["dead"]
    return 0


def _breakers(processes: Iterable[Metrics]) -> dict[str, str]:
    """The worst state of each API's breaker over all processes of a stage."""
    worst: dict[str, int] = {}
    for metrics in processes:
        for labels, value in metrics.values("norce_client_breaker_state"):
            worst[labels["api"]] = max(worst.get(labels["api"], 0), int(value))
    return {api: BREAKER_STATES[state] for api, state in sorted(worst.items())}


def _oldest(name: str, processes: Iterable[Metrics]) -> float | None:
    """Age in seconds of the oldest thing that waits: a record, or a delivery that was refused."""
    series = "norce_webhook_oldest_refused_seconds" if name == "webhook" else "norce_pipeline_oldest_seconds"
    ages = [value for metrics in processes for _, value in metrics.values(series)]
    return round(max(ages), 1) if ages else None
