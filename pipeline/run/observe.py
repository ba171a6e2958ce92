"""What is going on in the stack, read from where an operator would read it: metrics and the simulator's state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from pipeline.run.stack import STREAM, Stack
from pipeline.scraping import Metrics


@dataclass
class Snapshot:
    """The whole stack at one moment."""

    simulator: Mapping[str, Any] = field(default_factory=dict)
    processes: Mapping[str, Metrics] = field(default_factory=dict)
    """The metrics of each process that was started, by the words of its command; empty if it does not answer now."""

    @property
    def looks_up(self) -> bool:
        """Whether look-ups are part of the run; the pipeline works without them."""
        return "lookup" in self.processes

    def _of(self, name: str) -> Metrics:
        return self.processes.get(name, Metrics())

    @property
    def webhook(self) -> Metrics:
        return self._of("webhook")

    @property
    def worker(self) -> Metrics:
        return self._of("worker")

    @property
    def taken(self) -> float:
        """Share of the scenario's events that Norce is rid of."""
        events = self.simulator.get("events", {})
        return events.get("accepted", 0) / events["to_send"] if events.get("to_send") else 0.0

    @property
    def accepted(self) -> int:
        """Events that were answered 2xx and published to an event topic."""
        return self.webhook.total("norce_webhook_requests_total", answer="accepted")

    @property
    def quarantined(self) -> int:
        return self.webhook.total("norce_webhook_quarantined_total")

    @property
    def events(self) -> Counter[str]:
        """Events by what the worker made of them."""
        return self.worker.by("norce_pipeline_events_total", "outcome")

    @property
    def enriched(self) -> int:
        return self.worker.total("norce_pipeline_emitted_total", topic="norce.orders.enriched")

    @property
    def derived(self) -> int:
        return self.worker.total("norce_pipeline_emitted_total", topic="norce.updates")

    def updates(self, target: str) -> Counter[str]:
        """Updates of one target by what became of them."""
        return self._sink(target).by("norce_pipeline_updates_total", "outcome")

    def lag(self, process: str) -> int:
        """Records that a process has not settled yet."""
        return self._of(process).total("norce_pipeline_lag")

    def pending(self, target: str) -> int:
        return self._sink(target).total("norce_pipeline_updates_pending")

    def _sink(self, target: str) -> Metrics:
        return self._of(f"sink {target}")

    @property
    def lookups(self) -> Counter[str]:
        """Look-ups by what became of them."""
        return self._of("lookup").by("norce_pipeline_lookups_total", "outcome")

    @property
    def waiting(self) -> int:
        """Look-ups that are due or under way."""
        return self._of("lookup").total("norce_pipeline_lookups_waiting")

    @property
    def dead(self) -> int:
        """Records that went to the dead letters."""
        updates = sum(self.updates(target)["dead"] for target in ("connect", "checkout"))
        return updates + self.events["dead"] + self.events["poison"] + self.lookups["dead"]

    @property
    def drift(self) -> int:
        """Shapes that the drift watch has reported."""
        return self._of("drift").total("norce_pipeline_drift_reports")

    @property
    def sealed(self) -> int:
        """Events whose personal values were sealed."""
        return self._of("privacy").total("norce_pipeline_privacy_events_total", outcome="sealed")

    @property
    def done(self) -> bool:
        """Whether nothing is left to do anywhere; a process that did not answer has everything left to do."""
        names = {*STREAM, *self.processes}
        answered = all(self._of(name).samples for name in names)
        left = [*map(self.lag, names), self.waiting, *map(self.pending, ("connect", "checkout"))]
        return answered and bool(self.simulator.get("finished")) and not any(left)


class Observer:
    """Looks at every process at once."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient) -> None:
        self._stack = stack
        self._client = client

    async def look(self) -> Snapshot:
        """A snapshot; a process that does not answer just now shows nothing."""
        names = [name for name in self._stack.processes if name != "simulator"]
        state, *texts = await asyncio.gather(
            self._get("simulator", "/simulator/state"), *(self._get(name, "/metrics") for name in names)
        )
        parsed = [Metrics.parse(answer.text) if answer is not None else Metrics() for answer in texts]
        return Snapshot(state.json() if state is not None else {}, dict(zip(names, parsed, strict=True)))

    async def order(self, reference: str) -> Mapping[str, Any]:
        """What the simulated Norce holds of an order."""
        answer = await self._client.get(f"{self._stack.url('simulator')}/simulator/orders/{reference}")
        content: Mapping[str, Any] = answer.raise_for_status().json()
        return content

    async def orders(self, references: Iterable[str]) -> list[Mapping[str, Any]]:
        return [await self.order(reference) for reference in references]

    async def _get(self, name: str, path: str) -> httpx.Response | None:
        if name not in self._stack.processes:
            return None
        try:
            answer = await self._client.get(self._stack.url(name) + path)
        except httpx.TransportError:
            return None
        return answer if answer.is_success else None
