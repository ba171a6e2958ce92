"""The whole pipeline for a test: every process its own, Norce simulated on sockets, Kafka real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from connectors.simulator import Scenario
from pipeline import topics
from pipeline.broker import Broker
from pipeline.broker.ports import free_ports
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.run import verdict
from pipeline.run.observe import Observer, Snapshot
from pipeline.run.stack import PROCESSES, STREAM, Stack
from tests.faults.judging import as_of
from tests.support.kafka import read_all, until
from tests.verifier.differences import Difference, in_checkout, in_connect, in_lookups, in_orders, last_contents
from tests.verifier.expected import Expected, RawRecord, expected_orders

ALL = STREAM
"""The processes that a test of the stream needs."""


class System:
    """A stack with the looks and the levers that tests need."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.client = client
        self.observer = Observer(stack, client)

    @classmethod
    async def make(cls, broker: Broker, folder: Path, client: httpx.AsyncClient, settings: Mapping[str, Any]) -> System:
        ports = dict(zip(PROCESSES, free_ports(len(PROCESSES)), strict=True))
        overrides = {group.variable("port"): str(ports[name]) for name, group in PROCESSES.items()}
        stack = Stack(broker, folder, {**overrides, **{name: str(value) for name, value in settings.items()}})
        await stack.create_topics()
        return cls(stack, client)

    @property
    def servers(self) -> str:
        return self.stack.kafka.bootstrap_servers

    # -- levers --------------------------------------------------------------------------------------------------

    async def start(self, *names: str) -> None:
        await self.stack.start(*names)

    async def kill(self, name: str) -> None:
        """End a process as a power cut would."""
        await self.stack.processes[name].kill()

    async def stop(self, name: str) -> int:
        """Ask a process to end; returns its exit code."""
        process = self.stack.processes[name]
        await process.terminate(40)
        code = process.returncode
        assert code is not None
        return code

    async def knobs(self, **changes: Any) -> None:
        answer = await self.client.post(f"{self.stack.url('simulator')}/simulator/knobs", json=changes)
        assert answer.is_success, answer.text

    async def post(self, event_type: str, **body: Any) -> None:
        """Post one event to the connector as Norce would, and see it taken."""
        answer = await self.client.post(
            f"{self.stack.url('webhook')}/webhooks/norce/{event_type}",
            content=json.dumps(body),
            headers={"x-norce-secret": self.stack.environment["NORCE_WEBHOOK_SECRETS"]},
        )
        assert answer.status_code == 200, answer.text

    # -- looks ---------------------------------------------------------------------------------------------------

    async def until(self, good: Any, tries: int = 600) -> Snapshot:
        """Wait for a snapshot that is as it should be."""
        return await until(self.observer.look, good, tries=tries)

    async def until_done(self) -> Snapshot:
        """Wait until nothing is left to do, three looks in a row."""
        looks = 0

        def quiet(snapshot: Snapshot) -> bool:
            nonlocal looks
            looks = looks + 1 if snapshot.done else 0
            return looks == 3

        return await self.until(quiet, tries=1200)

    async def norce(self) -> Mapping[str, Any]:
        """What the simulated Norce counted."""
        answer: Mapping[str, Any] = (await self.client.get(f"{self.stack.url('simulator')}/simulator/state")).json()
        return answer

    async def calls(self, service: str) -> list[Mapping[str, Any]]:
        page = await self.client.get(
            f"{self.stack.url('simulator')}/simulator/calls", params={"service": service, "limit": 1000}
        )
        found: list[Mapping[str, Any]] = page.json()["calls"]
        return found

    async def until_hanging(self, service: str) -> None:
        """Wait until a call to a service of Norce waits for an answer that will not come."""
        await until(
            lambda: self.calls(service), lambda seen: any(c["fault"] == "hang" and c["seconds"] is None for c in seen)
        )

    async def records(self, topic: str) -> list[dict[str, Any]]:
        """The values of a topic, in offset order per partition."""
        return [json.loads(record.value) for record in await read_all(self.servers, topic)]

    async def enriched(self) -> dict[str, dict[str, Any]]:
        """The newest enriched record of each order."""
        return {r.key.decode(): json.loads(r.value) for r in await read_all(self.servers, topics.ORDERS_ENRICHED)}

    # -- verdicts ------------------------------------------------------------------------------------------------

    async def failed_checks(self) -> list[verdict.Check]:
        """The run's own checks that do not hold."""
        settings = self.stack.environment
        scenario = Scenario(
            int(settings.get("NORCE_SIMULATOR_SEED", "1")),
            int(settings["NORCE_SIMULATOR_ORDERS"]),
            float(settings["NORCE_SIMULATOR_BAD"]),
        )
        snapshot = await self.observer.look()
        simulator = self.stack.url("simulator")
        evidence = await verdict.gather(self.servers, simulator, snapshot, scenario.expectation(), self.stack.groups)
        return [check for check in verdict.judge(evidence) if not check.holds]

    async def differences(self) -> list[Difference]:
        """What an independent recomputation from the raw topics finds wrong in orders, Connect and Checkout."""
        expected = await self.expected()
        infos, attributes = await self._told()
        records = await self.enriched()
        connect, checkout = last_contents(await self.records(topics.UPDATES))
        found = in_orders(as_of(expected, records), records)
        found += in_connect(expected, connect) + in_connect(expected, infos)
        counted = {key: _with_look_ups(order, records.get(key, {})) for key, order in expected.items()}
        found += in_checkout(counted, checkout)
        if "lookup" in self.stack.processes:
            found += in_lookups(await self._held(), records)
        return found + in_checkout({key: order for key, order in counted.items() if key in attributes}, attributes)

    async def expected(self) -> dict[str, Expected]:
        raw = [
            RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in await read_all(self.servers, *EVENT_TOPICS)
        ]
        return expected_orders(raw)

    async def _held(self) -> dict[str, Any]:
        """The orders as the simulated Norce holds them, by order key."""
        page = (await self.client.get(f"{self.stack.url('simulator')}/simulator/orders", params={"limit": 1000})).json()
        whole = await self.observer.orders(summary["client_order_ref"] for summary in page["orders"])
        return {f"{o['client_id']}:{o['application_id']}:{o['client_order_ref']}": o for o in whole}

    async def _told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Norce holds of what it was told, by order key: Infos, and our attribute."""
        infos: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        page = (await self.client.get(f"{self.stack.url('simulator')}/simulator/orders", params={"limit": 1000})).json()
        for summary in page["orders"]:
            order = await self.observer.order(summary["client_order_ref"])
            key = f"{order['client_id']}:{order['application_id']}:{order['client_order_ref']}"
            if order["infos"]:
                infos[key] = order["infos"]
            for each in order["checkout_orders"]:
                if "norcePipeline" in (each.get("attributes") or {}):
                    attributes[key] = each["attributes"]["norcePipeline"]
        return infos, attributes


def _with_look_ups(order: Expected, record: Mapping[str, Any]) -> Expected:
    """What is expected, with the highest version that events and look-ups together can have come to."""
    return order._replace(version=order.version + record.get("lookup_number", 0))
