"""A running pipeline to which Norce never posted a part of its events, and the sweep as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from connectors.query import Span
from connectors.simulator import Scenario, checkout_channels
from pipeline import topics
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.progress import Silent
from pipeline.reconciliation.compare import Implied
from pipeline.reconciliation.records import Reconciliation
from pipeline.reconciliation.sweep import Asked, now, reconcile, span_of
from pipeline.settings import CheckoutSettings, ReconcileSettings
from tests.pipeline.system import System
from tests.support.kafka import drained, read_all, until
from tests.support.processes import ROOT
from tests.verifier.against_norce import from_norce
from tests.verifier.differences import Difference

ORDER_TOPICS = ("norce.events.order", "norce.events.payment", "norce.events.subscription")
WORKER_GROUP = "norce-orders"

SCENARIO: Mapping[str, Any] = {
    "NORCE_SIMULATOR_RATE": 400,
    "NORCE_SIMULATOR_BAD": 0,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_SIMULATOR_LATENCY": 0,
}


class Sweeps:
    """Sweeps of one system."""

    def __init__(self, system: System) -> None:
        norce = system.stack.url("simulator")
        self.system = system
        self.settings: Mapping[str, str] = {
            "query_url": f"{norce}/commerce/query/3.0",
            "token_url": f"{norce}/identity/1.0/connect/token",
            "client_id": "simulator",
            "client_secret": "simulator",
            "scope": "playground",
            "applications": ",".join(checkout_channels()),
            "settled_after": "0",
            "worker_patience": "60",
            "rate": "200",
            "implied": '{"Invoiced": ["OrderDeliveredEvent"]}',
            "failed_runs_path": "Orders/RecurringOrderSchedules",
        }

    async def start(self, *options: str, **settings: Any) -> asyncio.subprocess.Process:
        """Begin a sweep as a process of its own."""
        changed = {name: str(value) for name, value in settings.items()}
        variables = {f"NORCE_RECONCILE_{name.upper()}": text for name, text in {**self.settings, **changed}.items()}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pipeline.cli", "reconcile", "--json", *options),
            env={**os.environ, **self.system.stack.environment, "PYTHONPATH": str(ROOT), **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(
        self,
        *applications: str,
        checkout: CheckoutSettings | None = None,
        span: Span | None = None,
        **settings: Any,
    ) -> Reconciliation:
        """Make one sweep."""
        given = {**self.settings, "implied": json.loads(self.settings["implied"]), **settings}
        group = ReconcileSettings.model_validate(given)
        asked = Asked(span or span_of(group, None, None, now()), applications or group.applications, checkout=checkout)
        return await reconcile(self.system.stack.kafka, group, Implied.of(group.implied), asked, Silent())

    async def until_posted(self, tries: int = 600) -> None:
        """Wait until Norce is done and the worker has joined all that came."""
        await until(self.system.norce, lambda state: state["finished"], tries=tries)
        await self.until_joined(tries)

    async def until_joined(self, tries: int = 600) -> None:
        await drained(self.system.servers, WORKER_GROUP, *ORDER_TOPICS, tries=tries)

    async def reconciled(self) -> list[Any]:
        """The records that sweeps published, event by event."""
        return [
            record
            for record in await read_all(self.system.servers, *EVENT_TOPICS)
            if dict(record.headers).get("norce_origin") == b"reconciled"
        ]

    async def reports(self) -> list[dict[str, Any]]:
        return await self.system.records(topics.RECONCILIATION)

    async def differences(self, *applications: str) -> list[Difference]:
        """What our orders of some applications, or of all, say otherwise than Norce."""
        prefixes = tuple(f"{application}:" for application in applications) or ("",)
        expected, found = self.scenario().expectation().orders, await self.system.enriched()
        return from_norce(
            {key: order for key, order in expected.items() if key.startswith(prefixes)},
            {key: order for key, order in found.items() if key.startswith(prefixes)},
        )

    def scenario(self) -> Scenario:
        settings = self.system.stack.environment
        return Scenario(int(settings.get("NORCE_SIMULATOR_SEED", "1")), int(settings["NORCE_SIMULATOR_ORDERS"]))
