"""Events that never came are found and made up for, on a real Kafka and against Norce on sockets.

The quick tests share one system with five applications; each test has applications of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from connectors.query import Span
from connectors.simulator import checkout_channels
from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.settings import CheckoutSettings
from tests.pipeline.system import System
from tests.reconciliation.system import SCENARIO, Sweeps
from tests.support.kafka import read_all, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = 21_500
"""About a hundred thousand events."""
ONCE = {"OrderReceivedEvent", "OrderConfirmedEvent", "OrderDeliveredEvent", "OrderCancelledEvent"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sweeps(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sweeps]:
    """A pipeline that never got a fifth of the events."""
    async with KafkaCluster() as kafka, httpx.AsyncClient(timeout=10.0) as client:
        folder = tmp_path_factory.mktemp("reconciliation")
        system = await begun(kafka, folder, client, NORCE_SIMULATOR_ORDERS=300, NORCE_SIMULATOR_DROPS=0.2)
        try:
            sweeps = Sweeps(system)
            await sweeps.until_posted()
            yield sweeps
        finally:
            await system.stack.stop()


async def begun(kafka: KafkaCluster, folder: Path, client: httpx.AsyncClient, **settings: Any) -> System:
    system = await System.make(kafka, folder, client, {**SCENARIO, **settings})
    try:
        await system.start("webhook", "worker", "simulator")
    except BaseException:
        await system.stack.stop()
        raise
    return system


async def ends(system: System) -> int:
    """How many records there are of everything that a sweep could publish."""
    return len(await read_all(system.servers, *EVENT_TOPICS, topics.RECONCILIATION))


async def late(sweeps: Sweeps) -> int:
    """Post the real events of those that were made up for, where one happens only once."""
    made_up = [(dict(r.headers)["ce_type"].decode(), json.loads(r.value)) for r in await sweeps.reconciled()]
    posted = 0
    for event in sweeps.scenario().events():
        fields = json.loads(event.body)
        if event.event_type in ONCE and any(
            kind == f"io.norce.{event.event_type}" and derived.items() <= fields.items() for kind, derived in made_up
        ):
            await sweeps.system.post(event.event_type, **fields)
            posted += 1
    return posted


async def test_every_order_is_as_in_norce_after_one_sweep_and_a_second_one_finds_nothing(sweeps: Sweeps) -> None:
    own = ("101:1012", "102:1021")
    assert await sweeps.differences(*own) != []
    swept = await sweeps.run(*own)
    assert swept.complete, swept.problem
    assert sum(swept.published.values()) > 50
    assert swept.orders == len([o for o in sweeps.scenario().orders() if o.key.startswith(own)])
    assert swept.orders_unheard > 0, "orders whose events were all dropped"
    assert (swept.differences, swept.listed) == ({}, [])
    assert swept.id in [report["id"] for report in await sweeps.reports()]
    await sweeps.until_joined()
    assert await sweeps.differences(*own) == []
    again = await sweeps.run(*own)
    assert (again.complete, again.published, again.differences) == (True, {}, {})


async def test_a_real_event_that_comes_after_all_is_a_duplicate(sweeps: Sweeps) -> None:
    await sweeps.run("101:1012")  # nothing to do, if another test has done it
    await sweeps.until_joined()
    duplicates = (await sweeps.system.observer.look()).events["duplicate"]
    posted = await late(sweeps)
    assert posted > 5
    await until(sweeps.system.observer.look, lambda seen: seen.events["duplicate"] == duplicates + posted)
    assert await sweeps.differences("101:1012") == []


async def test_a_dry_run_says_what_is_missing_and_changes_nothing(sweeps: Sweeps) -> None:
    before = await ends(sweeps.system)
    process = await sweeps.start("--dry-run", "--application", "101:1011")
    output, errors = await process.communicate()
    assert process.returncode == 1, errors
    found = json.loads(output)
    assert (found["complete"], found["applications"]) == (True, ["101:1011"])
    assert found["published"]["OrderReceivedEvent"] > 0
    assert await ends(sweeps.system) == before


async def test_a_sweep_that_is_killed_is_made_up_for_by_the_next(sweeps: Sweeps) -> None:
    own = "103:1031"
    known = len(await sweeps.reconciled())
    process = await sweeps.start("--application", own, page_size=2, rate=1)
    try:
        await until(sweeps.reconciled, lambda found: len(found) > known, tries=900)
    finally:
        process.kill()
        await process.communicate()
    assert await sweeps.differences(own) != []
    swept = await sweeps.run(own)
    assert swept.complete, swept.problem
    await sweeps.until_joined()
    assert await sweeps.differences(own) == []
    ids = [dict(record.headers)["ce_id"] for record in await sweeps.reconciled()]
    assert len(ids) == len(set(ids)), "the second waited for the worker to join what the first had published"


async def test_a_sweep_that_finds_query_away_says_so_and_is_made_up_for_by_the_next(sweeps: Sweeps) -> None:
    own = "103:1032"
    known = len(await sweeps.reconciled())
    patience: dict[str, Any] = {
        "outage_limit": 1,
        "deadline": 1,
        "backoff_initial": 0.05,
        "backoff_max": 0.1,
        "breaker_reset": 0.1,
    }
    sweep = asyncio.create_task(sweeps.run(own, page_size=2, rate=2, **patience))
    await until(sweeps.reconciled, lambda found: len(found) > known)
    answer = {"kind": "answer", "service": "query", "status": 503, "times": 10_000}
    await sweeps.system.knobs(script=[answer])
    unfinished = await sweep
    await sweeps.system.knobs(clear_script=True)
    assert not unfinished.complete
    assert unfinished.problem is not None
    assert "503" in unfinished.problem or "query" in unfinished.problem
    assert [report["complete"] for report in await sweeps.reports() if report["id"] == unfinished.id] == [False]
    swept = await sweeps.run(own)
    assert swept.complete, swept.problem
    await sweeps.until_joined()
    assert await sweeps.differences(own) == []


async def test_more_missing_events_than_allowed_are_not_published(sweeps: Sweeps) -> None:
    known = len(await sweeps.reconciled())
    swept = await sweeps.run("101:1011", max_events=10, page_size=1000)
    assert not swept.complete
    assert "NORCE_RECONCILE_MAX_EVENTS" in str(swept.problem)
    assert len(await sweeps.reconciled()) == known


async def test_what_the_worker_has_not_joined_yet_is_not_taken_for_missing(sweeps: Sweeps) -> None:
    known = len(await sweeps.reconciled())
    swept = await sweeps.run("101:1011", worker_group="a worker that never ran", worker_patience=0.1)
    assert not swept.complete
    assert "NORCE_RECONCILE_WORKER_GROUP" in str(swept.problem)
    assert len(await sweeps.reconciled()) == known


async def test_sweeps_that_repeat_are_counted_where_prometheus_reads(sweeps: Sweeps) -> None:
    (port,) = free_ports(1)
    process = await sweeps.start("--application", "101:1012", "--every", "1", port=port)

    async def complete() -> float:
        try:
            text = (await sweeps.system.client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return 0.0
        found = re.search(r'^norce_pipeline_sweeps_total\{outcome="complete"\} (.*)$', text, re.M)
        assert found is None or "norce_pipeline_sweep_last_complete_seconds 1." in text
        return 0.0 if found is None else float(found[1])

    try:
        await until(complete, lambda count: count >= 2, tries=900)
    finally:
        process.terminate()
        await process.communicate()


async def test_an_order_that_norce_does_not_know_is_told(sweeps: Sweeps) -> None:
    body = {"ClientId": 101, "ApplicationId": 1011, "ClientOrderRef": "nobody's", "Source": "WEB"}
    await sweeps.system.post("OrderReceivedEvent", **body)
    swept = await sweeps.run("101:1011", max_events=10_000)
    assert swept.complete, swept.problem
    assert [(one.kind, one.key, one.ours) for one in swept.listed] == [("order", "101:1011:nobody's", "received")]


async def test_a_bought_basket_that_became_no_order_is_told(sweeps: Sweeps) -> None:
    stack = sweeps.system.stack
    # A basket under this application's channel that Commerce has no order of in this application.
    basket = {"client_id": 102, "application_id": 1099, "client_order_ref": "elsewhere", "order_id": 2}
    place = {"merchant": "merchant-102", "channel": "channel-1021"}
    answer = await sweeps.system.client.post(f"{stack.url('simulator')}/simulator/orders", json={**basket, **place})
    assert answer.is_success, answer.text
    checkout = CheckoutSettings.model_validate(
        {
            "base_url": f"{stack.url('simulator')}/checkout/order/api/v1",
            "token": "simulator-primary",
            "channels": checkout_channels(),
            "rate": 200,
            "attempt_timeout": 30,
        }
    )
    span = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))
    swept = await sweeps.run("102:1021", checkout=checkout, span=span)
    assert swept.complete, swept.problem
    assert [(one.kind, one.key, one.norce) for one in swept.listed] == [("bought", "102:1021:elsewhere", "completed")]
    assert swept.checkout_orders is not None
    assert swept.checkout_orders > 20


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_one_per_cent_of_a_hundred_thousand_events_dropped_leaves_no_difference_after_a_sweep(
    tmp_path: Path,
) -> None:
    async with KafkaCluster() as kafka, httpx.AsyncClient(timeout=30.0) as client:
        system = await begun(
            kafka,
            tmp_path,
            client,
            NORCE_SIMULATOR_ORDERS=ORDERS,
            NORCE_SIMULATOR_DROPS=0.01,
            NORCE_SIMULATOR_RATE=5_000,
            NORCE_SIMULATOR_CONCURRENCY=128,
        )
        try:
            await one_per_cent(Sweeps(system))
        finally:
            await system.stack.stop()


async def one_per_cent(sweeps: Sweeps) -> None:
    system = sweeps.system
    await sweeps.until_posted(tries=12_000)
    state = await system.norce()
    assert state["events"]["created"] > 99_000
    assert 800 < state["events"]["dropped"] < 1_200
    found = await sweeps.differences()
    swept = await sweeps.run()
    assert swept.complete, swept.problem
    await sweeps.until_joined(tries=3_000)
    print(f"{state['events']['created']} events, {state['events']['dropped']} dropped, {len(found)} differences before")
    print(swept)
    assert len(found) > 500
    assert swept.orders == ORDERS
    assert swept.differences == {}
    assert await sweeps.differences() == []
    again = await sweeps.run()
    assert (again.complete, again.published, again.differences) == (True, {}, {})
