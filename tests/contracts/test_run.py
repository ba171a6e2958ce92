"""A run of the whole pipeline: every record on every public topic is one that the published contract describes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.contracts import CATALOGUE, messages
from pipeline.domain import KINDS
from pipeline.run.stack import BESIDE, STREAM
from tests.contracts.kcat import kcat_environment
from tests.contracts.support import Written, kind_of
from tests.pipeline.system import System
from tests.reconciliation.system import Sweeps
from tests.support.kafka import produce, read_all, until

SETTINGS = {
    "NORCE_SIMULATOR_ORDERS": 8,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_SIMULATOR_BAD": 0.2,
    "NORCE_SIMULATOR_DUPLICATES": 0.3,
}
"""A handful of orders, some of it twice and some of it unusable."""
ORDER: dict[str, Any] = {"ClientId": 101, "ApplicationId": 1011, "ClientOrderRef": "990001"}
REFUSED: dict[str, Any] = {**ORDER, "ClientOrderRef": "990002"}
REFUSED_KEY = "101:1011:990002"
PAID = {"ErpOrderNo": "SO", "PaymentCode": "1", "Amount": 10.5, "CurrencyCode": "SEK"}
OTHER_GROUPS: dict[str, dict[str, Any]] = {
    "SkuPriceChangedNotification": {"ClientId": 101, "PartNo": "A:1", "PricelistId": 1, "PriceSaleValue": 10},
    "SupplierSkuPriceChangedNotification": {
        "ClientId": 101,
        "PartNo": "A:1",
        "SupplierId": 5,
        "PricelistId": 2,
        "PriceSaleValue": 12.5,
    },
    "SkuOnHandBreakPointNotification": {
        "ClientId": 101,
        "PartNo": "A:1",
        "WarehouseId": 1,
        "LocationId": 1,
        "OnHandValue": 2,
        "MinimumValue": 5,
    },
    "CustomerChangedNotification": {"ClientId": 101, "CustomerId": 7, "EntityChanged": "Customer"},
    "CompanyChangedNotification": {"ClientId": 101, "CompanyId": 8, "EntityChanged": "Company"},
    "JobCompletedEvent": {"ClientId": 101, "JobId": 9, "StatusId": 3},
    "InvoiceCaptureCompletedEvent": {
        "ClientId": 101,
        "ApplicationId": 1011,
        "CapturedInvoiceId": 1,
        "State": "Error",
    },
    "SubscriptionFailedEvent": {
        "ClientId": 101,
        "ApplicationId": 1011,
        "SubscriptionId": 3,
        "BasketId": 990001,
        "ErrorMessage": "card expired",
        "Email": "buyer@example.com",
    },
    "ExportDeliveredEvent": {"ClientId": 101},
}
GARBAGE = b"101:1011:garbage"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The pipeline after it has seen a scenario, events of every group, and what can go wrong."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, SETTINGS)
        try:
            await made.start(*STREAM, *BESIDE)
            await made.start("simulator")
            await go_wrong(made)
            for event_type, body in OTHER_GROUPS.items():
                await made.post(event_type, **body)
            await made.until_done()
            await operate(made)
            await made.until_done()
            yield made
        finally:
            await made.stack.stop()


async def add_order(system: System, order: Mapping[str, Any]) -> None:
    """An order that Norce knows, in Commerce and in Checkout."""
    known = {
        "client_id": order["ClientId"],
        "application_id": order["ApplicationId"],
        "client_order_ref": order["ClientOrderRef"],
        "order_id": int(order["ClientOrderRef"]),
    }
    answer = await system.client.post(
        f"{system.stack.url('simulator')}/simulator/orders",
        json={**known, "merchant": "merchant-101", "channel": "channel-1011"},
    )
    assert answer.is_success, answer.text


async def go_wrong(system: System) -> None:
    """A record that cannot be joined, one that is no update, and an update that Norce refuses."""
    await produce(system.servers, "norce.events.order", [(GARBAGE, b"garbage")])
    await produce(system.servers, topics.UPDATES, [(GARBAGE, b"garbage")])
    refusal = {"kind": "answer", "service": "connect", "order": REFUSED["ClientOrderRef"], "status": 400, "body": "no"}
    await system.knobs(script=[refusal])
    for order in (ORDER, REFUSED):
        await add_order(system, order)
        await system.post("OrderPaymentReceivedEvent", **order, **PAID)
    letters = await until(lambda: read_all(system.servers, topics.DEAD_LETTERS), lambda seen: len(seen) >= 4)
    assert {json.loads(record.value)["stage"] for record in letters} == {"join", "connect", "checkout"}


async def operate(system: System) -> None:
    """What people do: they give a dead letter up, try unusable bodies again, and compare with Norce."""
    dropped, refused = 0, 1
    for code, words in (
        (dropped, ("dead-letters", "drop", REFUSED_KEY, "--yes", "--reason", "only a test")),
        (refused, ("quarantine", "retry", "--all", "--yes")),
    ):
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pipeline.cli", *words),
            env={**os.environ, **system.stack.environment},
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(program.communicate(), 120)
        assert program.returncode == code, errors.decode()
    assert (await Sweeps(system).run()).complete


async def written(system: System) -> list[Written]:
    """Every record with a value on every topic that promises a schema, but for the garbage that these tests wrote."""
    found = await read_all(system.servers, *await present(system))
    records = [Written(r.topic, r.key, r.value, tuple(r.headers)) for r in found if r.value is not None]
    return [r for r in records if not (r.key == GARBAGE and r.value == b"garbage")]


async def present(system: System) -> list[str]:
    counts = await topics.partition_counts(system.stack.kafka)
    return [spec.name for spec in CATALOGUE if spec.name in counts and messages(spec)]


async def test_every_record_that_is_really_written_keeps_the_published_contract(system: System) -> None:
    found: Counter[str] = Counter()
    for record in await written(system):
        found[kind_of(record)] += 1
    expected = {"EnrichedOrder", "ConnectUpdate", "CheckoutUpdate", "DeadLetter", "UnusableBody", *OTHER_GROUPS}
    expected |= {"OrderReceivedEvent", "OrderConfirmedEvent", "OrderPaymentReceivedEvent"}
    expected |= {kind.record.__name__ for kind in KINDS.values()} | {"Alert", "CopiedSubscriptionFailedEvent"}
    assert expected - set(found) == set()


async def test_every_topic_with_a_schema_has_a_record_after_the_run(system: System) -> None:
    """Otherwise the test above would pass over a topic that nothing is written to."""
    empty = set(await present(system)) - {record.topic for record in await written(system)}
    assert empty == set()


# -- what a data team does -------------------------------------------------------------------------------------------

RECIPES = Path(__file__).parent / "recipes"


async def recipe(system: System, *words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a recipe; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": system.servers, **environment},
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def newest(system: System, topic: str) -> dict[str, Any]:
    return {r.key.decode(): json.loads(r.value) for r in await read_all(system.servers, topic)}


@pytest.mark.parametrize("topic", topics.ENRICHED.values())
async def test_an_enriched_topic_is_loaded_into_duckdb_by_the_recipe(
    system: System, topic: str, tmp_path: Path
) -> None:
    said = await recipe(system, sys.executable, RECIPES / "load_topic.py", topic, "data.db", "found", cwd=tmp_path)
    expected = await newest(system, topic)
    assert said == f"{len(expected)} rows in found\n"
    with duckdb.connect(str(tmp_path / "data.db"), read_only=True) as db:
        rows = {key: json.loads(record) for key, record in db.execute("SELECT key, record FROM found").fetchall()}
    assert rows == expected != {}


async def test_the_sums_of_the_query_in_the_recipe_are_exact(system: System, tmp_path: Path) -> None:
    await recipe(
        system, sys.executable, RECIPES / "load_topic.py", topics.ORDERS_ENRICHED, "o.db", "orders", cwd=tmp_path
    )
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in (await newest(system, topics.ORDERS_ENRICHED)).values():
        for currency, amount in order["paid"].items():
            sums[order["status"], currency] += Decimal(amount)
    with duckdb.connect(str(tmp_path / "o.db"), read_only=True) as db:
        rows = db.execute((RECIPES / "paid.sql").read_text()).fetchall()
    assert {(status, currency): amount for status, currency, amount in rows} == sums != {}


@pytest.fixture(scope="module")
def kcat() -> Mapping[str, str]:
    return kcat_environment()


@pytest.mark.parametrize("topic", topics.ENRICHED.values())
async def test_kcat_reads_an_enriched_topic_by_the_recipe(
    system: System, kcat: Mapping[str, str], topic: str, tmp_path: Path
) -> None:
    said = await recipe(system, "sh", RECIPES / "read_topic.sh", topic, cwd=tmp_path, **kcat)
    found = dict(line.split("\t", 1) for line in said.splitlines())
    assert {key: json.loads(record) for key, record in found.items()} == await newest(system, topic) != {}
