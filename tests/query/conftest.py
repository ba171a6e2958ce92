"""A pipeline that has worked through a scenario, with its console."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline.broker import KafkaCluster
from pipeline.run.stack import STREAM
from tests.pipeline.system import System
from tests.support.kafka import read_all

SETTINGS = {
    "NORCE_SIMULATOR_ORDERS": 40,
    "NORCE_SIMULATOR_RATE": 200,
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
    "NORCE_LOG_FORMAT": "json",
}

ODD_ORDER: dict[str, Any] = {
    "ClientId": 101,
    "ApplicationId": 1012,
    "ClientOrderRef": "M/1?a#b %41 +å",
    "Source": "POS",
}
"""An order made outside Norce may be called anything."""

TROUBLED: dict[str, Any] = {"client_id": 103, "application_id": 1032, "client_order_ref": "990077", "order_id": 990077}
"""An order whose update Norce takes only after it answered other things, or nothing."""

TROUBLE: list[dict[str, Any]] = [
    {"service": "connect", "kind": "answer", "status": 500, "body": '{"error": "busy", "email": "maja@example.com"}'},
    {"service": "connect", "kind": "answer", "status": 429, "retry_after": 1},
    {"service": "connect", "kind": "drop"},
    {"service": "checkout", "kind": "answer", "status": 503, "operation": "GetCheckoutOrders"},
    {"service": "checkout", "kind": "answer", "status": 500, "operation": "PatchCheckoutOrderAttributes"},
]
"""What happens to the first calls for it."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """Everything has come to rest; nothing in it is changed by the tests."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=30.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, SETTINGS)
        try:
            await made.start(*STREAM, "lookup", "privacy", "console")
            await made.post("orderreceivedevent", **ODD_ORDER)
            await made.start("simulator")
            await made.until_done()
            await _trouble(made)
            yield made
        finally:
            await made.stack.stop()


async def _trouble(system: System) -> None:
    body = {**TROUBLED, "merchant": "merchant-103", "channel": "channel-1032"}
    answer = await system.client.post(f"{system.stack.url('simulator')}/simulator/orders", json=body)
    assert answer.is_success, answer.text
    named = {"ClientId": 103, "ApplicationId": 1032, "ClientOrderRef": "990077"}
    await system.post("orderconfirmedevent", **named, OrderId=990077, OrderNo="SO990077", Source="WEB")
    await system.until_done()
    await system.knobs(script=[{**each, "order": TROUBLED["client_order_ref"]} for each in TROUBLE])
    paid = {"ErpOrderNo": "SO990077", "PaymentCode": "990077", "Amount": 12.5, "CurrencyCode": "SEK"}
    await system.post("orderpaymentreceivedevent", **named, **paid)
    await system.until_done()


class Api:
    """The query API of a running console."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.url = system.stack.url("console")
        self._client = system.client

    async def get(self, path: str, token: str | None = None, **query: Any) -> httpx.Response:
        return await self._client.get(f"{self.url}/api/v1{path}", params=query or None, headers=self._signed(token))

    async def post(self, path: str, token: str | None = None, **body: Any) -> httpx.Response:
        return await self._client.post(f"{self.url}/api/v1{path}", json=body, headers=self._signed(token))

    async def found(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of all pages."""
        items, after = [], None
        while True:
            page = await self.found(path, **query, **({} if after is None else {"after": after}))
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    @property
    def token(self) -> str:
        """Of an account with every role."""
        return self._system.stack.console_token

    def _signed(self, token: str | None) -> dict[str, str]:
        return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.fixture
def api(system: System) -> Api:
    return Api(system)


async def newest(system: System, topic: str) -> dict[str, dict[str, Any]]:
    """The compacted view of a topic."""
    return {record.key.decode(): json.loads(record.value) for record in await read_all(system.servers, topic)}
