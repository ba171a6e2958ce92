"""All groups of events through the running pipeline: enriched topics, alerts that events and time open and close."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.events import TOPICS as EVENT_TOPICS
from tests.pipeline.system import System
from tests.support.kafka import read_all, until
from tests.verifier.expected import RawRecord
from tests.verifier.expected_groups import DESCRIBE, expected_groups, shown

SETTINGS = {
    "NORCE_SIMULATOR_ORDERS": 0,
    "NORCE_WORKER_ALERT_SWEEP_INTERVAL": 0.5,
    "NORCE_WORKER_ALERT_AFTER": json.dumps({"paid_not_confirmed": 3}),
    "NORCE_WORKER_ALERT_EXPIRES": json.dumps({"job_failed": 4}),
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
}
PRODUCT = {"ClientId": 103, "PartNo": "SKU:1"}
ORDER = {"ClientId": 103, "ApplicationId": 1032, "ClientOrderRef": "5001"}
Records = dict[str, dict[str, Any]]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One connector and one worker for all; the tests have orders, jobs and products of their own."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, SETTINGS)
        try:
            await made.start("webhook", "worker")
            yield made
        finally:
            await made.stack.stop()


async def newest(system: System, topic: str) -> Records:
    """The compacted view of a topic."""
    return {record.key.decode(): json.loads(record.value) for record in await read_all(system.servers, topic)}


async def enriched(system: System, table: str, good: Callable[[Records], Any]) -> Records:
    return await until(lambda: newest(system, topics.ENRICHED[table]), good)


async def differences(system: System) -> dict[tuple[str, str], Any]:
    """What the enriched topics show that an independent recomputation from the raw topics does not find."""
    raw = [
        RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
        for r in await read_all(system.servers, *EVENT_TOPICS)
    ]
    expected = expected_groups(raw)
    found = {
        (table, key): shown(table, record)
        for table in DESCRIBE
        for key, record in (await newest(system, topics.ENRICHED[table])).items()
    }
    return {
        place: (expected.get(place), found.get(place))
        for place in expected.keys() | found.keys()
        if expected.get(place) != found.get(place)
    }


async def said_of(system: System, kind: str) -> list[str]:
    """The states of every record about alerts of a kind."""
    return [one["state"] for one in await system.records(topics.ALERTS) if one["kind"] == kind]


async def alert(system: System, kind: str, state: str) -> dict[str, Any]:
    """The alert of a kind, once it is in a state."""

    async def look() -> list[dict[str, Any]]:
        return [one for one in (await newest(system, topics.ALERTS)).values() if one["kind"] == kind]

    (found,) = await until(look, lambda seen: [one["state"] for one in seen] == [state])
    return found


async def test_every_group_has_its_enriched_record_and_suppliers_meet_their_product(system: System) -> None:
    await system.post("SkuPriceChangedNotification", **PRODUCT, PricelistId=1, PriceSaleValue=49.9)
    await system.post("SupplierSkuPriceChangedNotification", **PRODUCT, SupplierId=9, PriceSaleValue=60)
    await system.post(
        "SkuOnHandBreakPointNotification", **PRODUCT, WarehouseId=1, LocationId=2, OnHandValue=3.0, MinimumValue=5
    )
    await system.post("CustomerChangedNotification", ClientId=103, CustomerId=7, EntityChanged="tClientCustomer")
    await system.post("CompanyChangedNotification", ClientId=103, CompanyId=8, EntityChanged="tClientCompany")
    await system.post(
        "InvoiceCaptureCompletedEvent", ClientId=103, ApplicationId=1032, CapturedInvoiceId=6, State="Error"
    )
    failed = {"ClientId": 103, "ApplicationId": 1032, "SubscriptionId": 3, "ErrorMessage": "declined"}
    for basket in (5002, 5003, None):
        await system.post("SubscriptionFailedEvent", **failed, BasketId=basket, Email="test@example.com")

    products = await enriched(
        system, "products", lambda seen: seen and seen["103:SKU:1"]["stock"] and seen["103:SKU:1"]["suppliers"]
    )
    assert products["103:SKU:1"]["sale_prices"][0]["margin"] == "-10.10"
    customers = await enriched(system, "customers", len)
    assert customers["103:customer=7"]["changes"][0]["entity"] == "tClientCustomer"
    assert set(await enriched(system, "companies", len)) == {"103:company=8"}
    invoices = await enriched(system, "invoices", len)
    assert invoices["103:6"]["outcome"] == "error"
    subscription = "103:1032:subscription=3"
    found = await enriched(
        system,
        "subscriptions",
        lambda seen: seen.get(subscription, {}).get("failures") == 3,
    )
    assert found[subscription]["order_keys"] == ["103:1032:5002", "103:1032:5003"]
    orders = await enriched(system, "orders", lambda seen: {"103:1032:5002", "103:1032:5003"} <= set(seen))
    assert all(orders[key]["subscription_failures"] for key in ("103:1032:5002", "103:1032:5003"))

    for kind in ("below_cost", "below_minimum_stock", "capture_error", "subscription_failing"):
        opened = await alert(system, kind, "open")
        assert opened["closed_by"] is None
    await system.post("SkuPriceChangedNotification", **PRODUCT, PricelistId=1, PriceSaleValue=70)
    await system.post(
        "InvoiceCaptureCompletedEvent", ClientId=103, ApplicationId=1032, CapturedInvoiceId=6, State="Captured"
    )
    for kind in ("below_cost", "capture_error"):
        closed = await alert(system, kind, "closed")
        assert closed["closed_by"]["cause"] == "event"
    assert await system.records(topics.DEAD_LETTERS) == []
    await until(lambda: differences(system), lambda seen: seen == {})
    for topic in (*topics.ENRICHED.values(), topics.ALERTS, topics.SUBSCRIPTION_FAILURES):
        assert all(b"example.com" not in record.value for record in await read_all(system.servers, topic))


async def test_time_opens_an_alert_with_no_further_event_and_an_event_closes_it(system: System) -> None:
    """A worker is killed while the alert waits for its time, and one while it is open."""
    payment = {"ErpOrderNo": "5001", "PaymentCode": "P1", "Amount": 10, "CurrencyCode": "SEK"}
    await system.post("OrderPaymentReceivedEvent", **ORDER, **payment)
    await enriched(system, "orders", lambda seen: "103:1032:5001" in seen)
    await system.kill("worker")
    await system.start("worker")
    opened = await alert(system, "paid_not_confirmed", "open")
    assert opened["order_key"] == "103:1032:5001"
    await system.kill("worker")
    await system.start("worker")
    await system.post("OrderConfirmedEvent", **ORDER, OrderId=1, OrderNo="SO1", Source="WEB")
    closed = await alert(system, "paid_not_confirmed", "closed")
    assert closed["opened_at"] == opened["opened_at"]
    assert closed["closed_by"]["event_type"] == "OrderConfirmedEvent"
    said = await said_of(system, "paid_not_confirmed")
    assert list(dict.fromkeys(said)) == ["open", "closed"]  # a kill may have it said twice


async def test_time_closes_an_alert_that_no_event_ends(system: System) -> None:
    await system.post("JobCompletedEvent", ClientId=103, JobId=5, StatusId=3)
    closed = await alert(system, "job_failed", "closed")
    assert closed["closed_by"] == {"cause": "time", "event_type": None, "event_id": None}
    said = await said_of(system, "job_failed")
    assert said == ["open", "closed"]
