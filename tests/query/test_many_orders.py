"""A hundred thousand orders: the console is as usable as with forty, and the worker joins on meanwhile."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from benchmarks.kafka import Kafka
from benchmarks.states import FIRST, states
from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.run.stack import STREAM
from pipeline.settings import WorkerSettings
from tests.pipeline.system import System
from tests.query.conftest import Api
from tests.support.kafka import until
from tests.web.browser import DESK, chromium

ORDERS = 100_000
OURS = {"ClientId": 101, "ApplicationId": 1012, "ClientOrderRef": "M-1", "Source": "POS"}
NUMBER = "POS-77001"
LAST = FIRST + ORDERS - 1


@pytest.mark.long
async def test_with_a_hundred_thousand_orders_each_is_found_and_the_join_goes_on(tmp_path: Path) -> None:
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=60.0) as client:
        system = await System.make(
            broker, tmp_path, client, {"NORCE_SIMULATOR_ORDERS": 0, "NORCE_WORKER_INSTANCE_ID": "worker-0"}
        )
        kafka = Kafka(broker, system.stack.kafka.partitions)
        group = WorkerSettings.model_fields["group"].default
        assert await kafka.fill(topics.changelog(group, "orders"), states(ORDERS)) == ORDERS
        try:
            await system.start(*STREAM, "console")
            api = Api(system)
            await system.post("orderreceivedevent", **OURS)
            await system.post("orderconfirmedevent", **OURS, OrderId=77001, OrderNo=NUMBER)
            await until(lambda: _is(api, f"101:1012:{OURS['ClientOrderRef']}", "confirmed"), bool)
            await _each_has_its_page(api)
            await _is_found_in_the_page(api)
            await _the_join_goes_on(system, api)
        finally:
            await system.stack.stop()


async def _is(api: Api, key: str, status: str) -> bool:
    answer = await api.get(f"/orders/{quote(key, safe='')}")
    return answer.status_code == 200 and answer.json()["record"]["status"] == status


async def _each_has_its_page(api: Api) -> None:
    keys = [item["key"] for item in await api.all("/orders", limit=200)]
    assert len(keys) == ORDERS + 1
    assert {f"103:1032:{FIRST + number}" for number in range(ORDERS)} < set(keys)


async def _is_found_in_the_page(api: Api) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        page = await browser.new_page(viewport={"width": DESK["width"], "height": DESK["height"]})
        page.set_default_timeout(20_000)
        await page.goto(api.url)
        for reference, key in ((NUMBER, f"101:1012:{OURS['ClientOrderRef']}"), (str(LAST), f"103:1032:{LAST}")):
            await page.keyboard.press("/")
            await page.keyboard.type(reference)
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(re.compile(re.escape(quote(key, safe=""))))
            await expect(page.get_by_text(reference).first).to_be_visible()
        await browser.close()


async def _the_join_goes_on(system: System, api: Api) -> None:
    """While one search follows the other, an event is joined in less time than a search takes and some."""
    quiet = [await _joined(system, api, f"Q-{number}") for number in range(5)]
    searches: list[float] = []

    async def search() -> None:
        while True:
            began = time.monotonic()
            assert (await api.found("/search", q="nobody has this reference"))["results"] == []
            searches.append(time.monotonic() - began)

    searching = asyncio.create_task(search())
    busy = [await _joined(system, api, f"B-{number}") for number in range(5)]
    await until(lambda: asyncio.sleep(0, len(searches)), lambda done: done > 2)
    searching.cancel()
    print(f"search {median(searches):.2f} s, an event {median(quiet):.2f} s, while searching {median(busy):.2f} s")
    assert median(busy) < median(quiet) + 2 * median(searches)


async def _joined(system: System, api: Api, reference: str) -> float:
    """Seconds from the POST until the order can be asked for."""
    began = time.monotonic()
    await system.post("orderreceivedevent", **{**OURS, "ClientOrderRef": reference})
    await until(lambda: _is(api, f"101:1012:{reference}", "received"), bool)
    return time.monotonic() - began
