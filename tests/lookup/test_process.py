"""Look-ups as a process beside the worker, on a real broker: they complete records, and delay and lose nothing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from tests.pipeline.system import System
from tests.support.kafka import drained, read_all, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT, APPLICATION = 101, 1011
RATE, CONCURRENCY = 20, 4
QUIET = {
    "NORCE_SIMULATOR_ORDERS": 0,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_LOOKUP_RATE": RATE,
    "NORCE_LOOKUP_CONCURRENCY": CONCURRENCY,
    "NORCE_LOOKUP_ATTEMPT_TIMEOUT": 2,
    "NORCE_LOOKUP_DEADLINE": 5,
    "NORCE_LOOKUP_BACKOFF_INITIAL": 0.05,
    "NORCE_LOOKUP_BREAKER_RESET": 0.3,
    "NORCE_LOOKUP_UNKNOWN_WAIT": 0.5,
    "NORCE_LOOKUP_INSTANCE_ID": "lookup-0",
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
}
_numbers = count(3001)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One pipeline without sinks for all tests of this module: each has orders of its own."""
    folder: Path = tmp_path_factory.mktemp("system")
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        system = await System.make(broker, folder, client, QUIET)
        try:
            await system.start("simulator", "webhook", "worker", "lookup")
            yield system
        finally:
            await system.stack.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def system(shared: System) -> System:
    await shared.knobs(clear_script=True)
    return shared


def references(number: int = 1) -> list[str]:
    return [str(next(_numbers)) for _ in range(number)]


async def add(system: System, reference: str, **more: Any) -> None:
    """An order that Norce holds: 100.00 SEK with VAT."""
    body = {"client_id": CLIENT, "application_id": APPLICATION, "client_order_ref": reference}
    answer = await system.client.post(
        f"{system.stack.url('simulator')}/simulator/orders", json={**body, "order_id": int(reference), **more}
    )
    assert answer.is_success, answer.text


def shop(reference: str) -> dict[str, Any]:
    return {"ClientId": CLIENT, "ApplicationId": APPLICATION, "ClientOrderRef": reference}


async def receive(system: System, reference: str) -> None:
    await system.post("OrderReceivedEvent", **shop(reference), Source="WEB", Email="planted@example.com")


async def confirm(system: System, reference: str) -> None:
    numbered = {"OrderId": int(reference), "OrderNo": f"SO{reference}", "Source": "WEB"}
    await system.post("OrderConfirmedEvent", **shop(reference), **numbered)


async def order(system: System, reference: str) -> dict[str, Any] | None:
    return (await system.enriched()).get(f"{CLIENT}:{APPLICATION}:{reference}")


async def until_order(system: System, reference: str, good: Any) -> dict[str, Any]:
    found = await until(lambda: order(system, reference), lambda seen: seen is not None and good(seen), tries=600)
    assert found is not None
    return found


def complete(found: dict[str, Any]) -> bool:
    return found["totals"] is not None


async def asked(system: System, *orders: str) -> Counter[str]:
    """Calls about these orders."""
    return Counter(call["order"] for call in await system.calls("query") if call["order"] in orders)


async def letters(system: System, reference: str) -> list[dict[str, Any]]:
    key = f"{CLIENT}:{APPLICATION}:{reference}".encode()
    return [json.loads(r.value) for r in await read_all(system.servers, topics.DEAD_LETTERS) if r.key == key]


async def settled(system: System) -> None:
    """Wait until every enriched record was read and nothing is due."""
    await drained(system.servers, "norce-orders", *topics.LOOKUPS.values(), tries=600)
    await drained(system.servers, "norce-lookup", topics.ORDERS_ENRICHED, tries=600)
    await system.until(lambda seen: seen.processes["lookup"].samples and not seen.waiting)


async def test_a_record_appears_before_the_answer_and_is_completed_by_it(system: System) -> None:
    first, other = references(2)
    await add(system, first)
    await system.knobs(script=[{"kind": "hang", "service": "query", "times": 1_000_000}])
    await receive(system, first)
    found = await until_order(system, first, bool)
    assert (found["totals"], found["lines"], found["looked_up_at"]) == (None, [], None)
    await system.until_hanging("query")
    await receive(system, other)
    await confirm(system, first)
    await until_order(system, other, bool)
    await until_order(system, first, lambda seen: seen["status"] == "confirmed")

    await system.knobs(clear_script=True)
    found = await until_order(system, first, complete)
    held = await system.observer.order(first)
    assert (found["totals"]["currency"], found["totals"]["including_vat"]) == ("SEK", "100.00")
    assert [line["part_no"] for line in found["lines"]] == [line["part_no"] for line in held["lines"]]
    records = [r for r in await read_all(system.servers, topics.ORDERS_ENRICHED) if r.key.decode().endswith(first)]
    versions = [json.loads(record.value)["version"] for record in records]
    assert versions == sorted(set(versions))


async def test_answers_carry_no_personal_data(system: System) -> None:
    (reference,) = references()
    await add(system, reference)
    await receive(system, reference)
    await until_order(system, reference, complete)
    for topic in topics.LOOKUPS.values():
        assert all(b"planted" not in record.value for record in await read_all(system.servers, topic))


async def test_neither_an_echo_nor_a_redelivery_nor_a_restart_nor_a_lost_volume_asks_again(system: System) -> None:
    orders = references(5)
    for reference in orders:
        await add(system, reference)
        await receive(system, reference)
        await until_order(system, reference, complete)
    await settled(system)
    assert await asked(system, *orders) == dict.fromkeys(orders, 1)
    for reference in orders:
        await receive(system, reference)
    await system.kill("lookup")
    await system.start("lookup")
    await settled(system)
    assert await system.stop("lookup") == 0
    shutil.rmtree(system.stack.folder / "lookup")
    await system.start("lookup")
    await settled(system)
    assert await asked(system, *orders) == dict.fromkeys(orders, 1)


async def test_a_look_up_that_a_kill_interrupted_is_made_again(system: System) -> None:
    orders = references(6)
    for reference in orders:
        await add(system, reference)
    await system.knobs(script=[{"kind": "hang", "service": "query", "times": 1_000_000}])
    for reference in orders:
        await receive(system, reference)
    await system.until_hanging("query")
    await system.kill("lookup")
    await system.knobs(clear_script=True)
    await system.start("lookup")
    numbers = []
    for reference in orders:
        found = await until_order(system, reference, complete)
        numbers.append(found["lookup_number"])
        assert await letters(system, reference) == []
    assert max(numbers) > 1, "the number of an answer that may have been given is not given again"


async def test_news_of_an_order_is_looked_up_again(system: System) -> None:
    (reference,) = references()
    await add(system, reference)
    await receive(system, reference)
    await until_order(system, reference, complete)
    await settled(system)
    await confirm(system, reference)
    await until(lambda: asked(system, reference), lambda seen: seen[reference] == 2)
    await settled(system)
    found = await until_order(system, reference, lambda seen: seen["status"] == "confirmed")
    assert found["lookup_number"] == 1, "Norce answered as before"


async def test_while_query_is_away_orders_are_joined_and_it_is_left_alone(system: System) -> None:
    orders = references(8)
    await system.knobs(script=[{"kind": "answer", "service": "query", "status": 503, "times": 1_000_000}])
    for reference in orders:
        await add(system, reference)
        await receive(system, reference)
        await confirm(system, reference)
    for reference in orders:
        await until_order(system, reference, lambda seen: seen["status"] == "confirmed")
    await system.until(lambda seen: seen.processes["lookup"].total("norce_client_breaker_state", api="query") == 2)
    await system.until(lambda seen: seen.waiting >= len(orders) and seen.lag("worker") == 0)
    health = await system.client.get(system.stack.url("lookup") + "/livez")
    assert health.status_code == 200

    await system.knobs(clear_script=True)
    for reference in orders:
        await until_order(system, reference, complete)
        assert await letters(system, reference) == []


async def test_a_refused_look_up_is_a_dead_letter_once_and_news_asks_again(system: System) -> None:
    refused, other = references(2)
    await add(system, refused)
    await add(system, other)
    await system.knobs(script=[{"kind": "answer", "service": "query", "order": refused, "status": 400, "body": "no"}])
    await receive(system, refused)
    await receive(system, other)
    await until_order(system, other, complete)
    (letter,) = await until(lambda: letters(system, refused), len)
    assert (letter["stage"], letter["error"], letter["attempt"]["status"]) == ("lookup", "Rejected", 400)
    assert letter["source"]["topic"] == topics.ORDERS_ENRICHED
    assert "Bearer" not in json.dumps(letter)
    await settled(system)
    assert await asked(system, refused) == {refused: 1}

    await confirm(system, refused)
    await until_order(system, refused, complete)
    assert len(await letters(system, refused)) == 1


async def test_an_answer_that_does_not_fit_is_named_and_not_asked_for_again(system: System) -> None:
    (reference,) = references()
    await add(system, reference)
    body = json.dumps({"value": [{"Id": 1}]})
    await system.knobs(
        script=[{"kind": "answer", "service": "query", "order": reference, "status": 200, "body": body, "times": 100}]
    )
    await receive(system, reference)
    (letter,) = await until(lambda: letters(system, reference), len)
    assert letter["error"] == "Unfitting"
    await settled(system)
    assert await asked(system, reference) == {reference: 1}


async def test_an_order_that_query_does_not_know_yet_is_found_later(system: System) -> None:
    (reference,) = references()
    before = (await system.observer.look()).lookups["unknown"]
    await receive(system, reference)
    await system.until(lambda seen: seen.lookups["unknown"] >= before + 2)
    await add(system, reference)
    await until_order(system, reference, complete)
    assert await letters(system, reference) == []


async def test_calls_keep_to_the_rate_and_to_the_number_at_once(system: System) -> None:
    orders = references(3 * RATE)
    for reference in orders:
        await add(system, reference)
    await system.stop("lookup")
    for reference in orders:
        await receive(system, reference)
    await system.start("lookup")
    for reference in orders:
        await until_order(system, reference, complete)
    calls = [call for call in await system.calls("query") if call["order"] in orders]
    assert len(calls) == len(orders)
    times = sorted(call["at"] for call in calls)
    assert times[-1] - times[0] >= 0.8 * (len(orders) - 1) / RATE
    assert (await system.norce())["most_in_flight"]["query"] <= CONCURRENCY


async def test_an_invoice_finds_its_order_and_its_capture_error_is_raised_there(system: System) -> None:
    (reference,) = references()
    await add(system, reference, invoice_id=int(reference))
    await system.post(
        "InvoiceCaptureCompletedEvent",
        ClientId=CLIENT,
        ApplicationId=APPLICATION,
        CapturedInvoiceId=int(reference),
        State="Error",
    )
    key = f"{CLIENT}:{APPLICATION}:{reference}"

    async def alerts() -> list[tuple[str, str | None]]:
        found = [json.loads(record.value) for record in await read_all(system.servers, topics.ALERTS)]
        return [(one["state"], one["order_key"]) for one in found if one["subject_key"] == f"{CLIENT}:{reference}"]

    assert (await until(alerts, lambda seen: ("open", key) in seen))[-1] == ("open", key)
    invoices = {
        r.key.decode(): json.loads(r.value) for r in await read_all(system.servers, topics.ENRICHED["invoices"])
    }
    assert invoices[f"{CLIENT}:{reference}"]["order_key"] == key


async def test_a_product_gets_its_name(system: System) -> None:
    await system.post("SkuChangedNotification", ClientId=CLIENT, PartNo="SKU-7", EntityChanged="tClientProductSku")

    async def name() -> Any:
        found = await read_all(system.servers, topics.ENRICHED["products"])
        return {r.key.decode(): json.loads(r.value)["name"] for r in found}.get(f"{CLIENT}:SKU-7")

    assert await until(name, bool) == "Chair no. 7 of oak"


async def test_wrong_credentials_stop_the_process_with_a_named_error(system: System) -> None:
    (reference,) = references()
    await add(system, reference)
    await system.stop("lookup")
    system.stack.environment["NORCE_LOOKUP_CLIENT_SECRET"] = "not-the-secret"
    await system.start("lookup")
    await receive(system, reference)
    process = system.stack.processes["lookup"]
    assert await process.wait() == 1, process.log_tail()
    assert "TokenRefused" in process.log.read_text(), process.log.read_text()[-6000:]
    assert "not-the-secret" not in process.log.read_text()
    system.stack.environment["NORCE_LOOKUP_CLIENT_SECRET"] = "simulator"
    await system.start("lookup")
    await until_order(system, reference, complete)
