"""A sink against bare httpx, both against the simulated Norce without its rate limits."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bars import HTTPX, OURS
from benchmarks.figures import Run, WrongResult
from benchmarks.kafka import Kafka
from benchmarks.looks import Looks
from benchmarks.processes import HOST, Contestant, DidNotRun, ours, running
from benchmarks.sinks.bare_httpx import Options
from connectors.simulator import checkout_channels
from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.domain import CheckoutContent, CheckoutUpdate, ConnectContent, ConnectUpdate, Info, encode_update
from pipeline.domain.updates import Update
from pipeline.engine import Outgoing
from pipeline.run.stack import fresh_folder

CONCURRENCY = 16
WARM = 0.2
CLIENT, APPLICATION = 103, 1032
FIRST = 90_000_000
_CHANNEL = checkout_channels()[f"{CLIENT}:{APPLICATION}"]


class Sink:
    """One update for each of many orders."""

    contestants: Sequence[str] = (OURS, HTTPX)

    def __init__(self, kafka: Kafka, folder: Path, target: str, updates: int) -> None:
        self.name = f"sink/{target}"
        self._kafka = kafka
        self._folder = folder
        self._target = target
        self._updates = updates

    async def prepare(self) -> None:
        """Put the updates on their topic."""
        await self._kafka.make_topics()
        await self._kafka.empty(topics.UPDATES)
        found = [_update(self._target, FIRST + number) for number in range(self._updates)]
        await self._kafka.fill(
            topics.UPDATES,
            [Outgoing(f"{CLIENT}:{APPLICATION}:{u.client_order_ref}".encode(), encode_update(u)) for u in found],
        )

    async def run(self, contestant: str, repetition: int) -> Run:
        """Send all of them to a Norce that knows the orders and nothing else.

        Raises:
            WrongResult, DidNotRun
        """
        (port,) = free_ports(1)
        url = f"http://{HOST}:{port}"
        environment = {
            "NORCE_SIMULATOR_PORT": str(port),
            "NORCE_SIMULATOR_ORDERS": "0",
            "NORCE_LOG_LEVEL": "warning",
        }
        async with running("simulator", ours("simulator"), self._folder, environment) as simulator:
            await simulator.until_ready(f"{url}/simulator/state")
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                await self._add_orders(client)
                values = await (self._sink(url) if contestant == OURS else self._bare(url))
                await self._check(client, contestant)
        return Run(self.name, contestant, repetition, values)

    async def _add_orders(self, client: httpx.AsyncClient) -> None:
        slots = asyncio.Semaphore(16)

        async def add(number: int) -> None:
            order = {
                "client_id": CLIENT,
                "application_id": APPLICATION,
                "client_order_ref": str(FIRST + number),
                "order_id": FIRST + number,
                "merchant": _CHANNEL["merchant"],
                "channel": _CHANNEL["channel"],
            }
            async with slots:
                (await client.post("/simulator/orders", json=order)).raise_for_status()

        async with asyncio.TaskGroup() as group:
            for number in range(self._updates):
                group.create_task(add(number))

    async def _sink(self, url: str) -> dict[str, float]:
        group = f"bench-{self._target}-{uuid.uuid4().hex[:8]}"
        await self._kafka.make_topics((group, topics.SINK_TABLES))
        (port,) = free_ports(1)
        environment = {
            **self._kafka.environment,
            **_settings(self._target, url, group, port, fresh_folder(self._folder / group)),
        }
        log = topics.changelog(group, *topics.SINK_TABLES)
        async with (
            self._kafka.watching(group) as watch,
            running(f"{OURS} sink {self._target}", ours("sink", self._target), self._folder, environment) as process,
        ):
            looks = Looks(self._kafka, watch, [process], log)

            async def done() -> bool:
                return looks.looks[-1].outputs >= self._updates

            await looks.follow(done)
            return looks.figures(self._updates, WARM)

    async def _bare(self, url: str) -> dict[str, float]:
        options = Options(
            self._kafka.servers, self._target, url, self._updates, int(self._updates * WARM), CONCURRENCY, **_CHANNEL
        )
        async with running("bare httpx", [sys.executable, *options.arguments()], self._folder, {}) as process:
            await process.ended()
            return _answer(process)

    async def _check(self, client: httpx.AsyncClient, contestant: str) -> None:
        for number in range(FIRST, FIRST + self._updates):
            order = (await client.get(f"/simulator/orders/{number}")).raise_for_status().json()
            told = order["infos"] if self._target == "connect" else _attributes(order)
            wanted = _update(self._target, number).content
            if told != (_infos(wanted) if isinstance(wanted, ConnectContent) else wanted.attributes):
                raise WrongResult(f"{contestant}: order {number} holds {told}")


def _answer(process: Contestant) -> dict[str, float]:
    text = process.output
    try:
        found: dict[str, float] = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        raise DidNotRun(process.name, text) from None
    return found


def _attributes(order: dict[str, Any]) -> object:
    return (order["checkout_orders"][0].get("attributes") or {}).get("norcePipeline")


def _infos(content: ConnectContent) -> dict[str, str]:
    return {info.code: info.value for info in content.infos}


def _update(target: str, number: int) -> Update:
    about = {
        "id": str(uuid.UUID(int=number)),
        "client_id": CLIENT,
        "application_id": APPLICATION,
        "client_order_ref": str(number),
        "order_no": None,
        "version": 3,
    }
    if target == "connect":
        infos = (Info("PaymentState", "payment_received"), Info("PaidAmount", f"{number}.50 SEK"))
        return ConnectUpdate(**about, content=ConnectContent(infos=infos, order_status=None))  # type: ignore[arg-type]
    attributes = {"status": "confirmed", "paid": {"SEK": f"{number}.50"}, "version": 3}
    return CheckoutUpdate(**about, content=CheckoutContent(attributes=attributes))  # type: ignore[arg-type]


def _settings(target: str, simulator: str, group: str, port: int, folder: Path) -> dict[str, str]:
    prefix = f"NORCE_{target.upper()}_"
    shared = {
        "HOST": HOST,
        "PORT": str(port),
        "GROUP": group,
        "DATA_DIR": str(folder),
        "RATE": "1000000",
        "CONCURRENCY": str(CONCURRENCY),
    }
    own = {
        "connect": {
            "BASE_URL": f"{simulator}/commerce/connect/4.0",
            "TOKEN_URL": f"{simulator}/identity/1.0/connect/token",
            "QUERY_URL": f"{simulator}/commerce/query/3.0",
            "QUERY_RATE": "1000000",
            "CLIENT_ID": "simulator",
            "CLIENT_SECRET": "simulator",
            "SCOPE": "playground",
        },
        "checkout": {
            "BASE_URL": f"{simulator}/checkout/order/api/v1",
            "TOKEN": "simulator-primary",
            "CHANNELS": json.dumps(checkout_channels()),
        },
    }[target]
    return {prefix + name: value for name, value in (shared | own).items()}
