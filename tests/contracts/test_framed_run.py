"""The pipeline with a schema registry: framed where that is promised, and everything goes on as without one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft7Validator

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.framing import FRAMED_CONTENT_TYPE, schema_id, unframed
from tests.cli.test_commands import command
from tests.contracts.apicurio import registry
from tests.pipeline.system import ALL, System
from tests.support.kafka import read_all, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = {"ClientId": 101, "ApplicationId": 1011, "ClientOrderRef": "990001"}
KNOWN = {"client_id": 101, "application_id": 1011, "client_order_ref": "990001", "order_id": 990001}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A pipeline that has seen the payment of one order that Norce knows."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        settings = {"NORCE_SIMULATOR_ORDERS": 0, "NORCE_SCHEMA_REGISTRY_URL": url}
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, settings)
        try:
            await made.start(*ALL)
            await made.start("simulator")
            known = {**KNOWN, "merchant": "merchant-101", "channel": "channel-1011"}
            answer = await client.post(f"{made.stack.url('simulator')}/simulator/orders", json=known)
            assert answer.is_success, answer.text
            paid = {"ErpOrderNo": "SO", "PaymentCode": "1", "Amount": 10.5, "CurrencyCode": "SEK"}
            await made.post("OrderPaymentReceivedEvent", **ORDER, **paid)
            await made.until_done()
            yield made
        finally:
            await made.stack.stop()


async def test_what_the_worker_makes_carries_the_id_under_which_the_registry_has_its_schema(
    system: System, url: str
) -> None:
    for topic in (topics.ORDERS_ENRICHED, topics.UPDATES):
        records = await read_all(system.servers, topic)
        assert records
        for record in records:
            assert dict(record.headers)["content-type"] == FRAMED_CONTENT_TYPE.encode()
            answer = await system.client.get(f"{url}/schemas/ids/{schema_id(record.value)}")
            Draft7Validator(json.loads(answer.json()["schema"])).validate(json.loads(unframed(record.value)))


async def test_events_keep_the_bytes_that_norce_sent(system: System) -> None:
    records = await read_all(system.servers, "norce.events.payment")
    assert [schema_id(record.value) for record in records] == [None]
    assert [dict(record.headers)["content-type"] for record in records] == [b"application/json"]


async def test_the_sinks_read_framed_updates(system: System) -> None:
    held = await until(lambda: system.observer.order("990001"), lambda order: order["infos"])
    assert held["infos"]["PaymentState"] == "payment_received"
    assert await read_all(system.servers, topics.DEAD_LETTERS) == []


async def test_a_worker_whose_registry_is_away_says_so_and_does_not_start(system: System) -> None:
    environment = {
        name: value for name, value in system.stack.environment.items() if name.startswith(("NORCE_", "KAFKA_"))
    }
    done = command("worker", **{**environment, "NORCE_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"})
    assert done.returncode == 3
    assert "RegistryUnreachable: no schema registry answers at http://127.0.0.1:1" in done.stderr
