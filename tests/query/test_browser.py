"""The page in a real browser, on the console of a pipeline that runs: what a support person and an operator do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from pipeline import topics
from tests.pipeline.system import System
from tests.query.conftest import ODD_ORDER, Api, newest
from tests.web.browser import DESK, chromium

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(loop_scope="package")
async def page(api: Api) -> AsyncIterator[Page]:
    """A page whose every complaint fails the test."""
    said: list[str] = []
    path = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        page = await browser.new_page(viewport={"width": DESK["width"], "height": DESK["height"]})
        page.set_default_timeout(20_000)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(api.url)
        yield page
        await browser.close()
    assert said == []


async def test_an_order_is_found_by_its_number_with_all_that_happened_to_it(
    system: System, api: Api, page: Page
) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    key, order = next((k, o) for k, o in orders.items() if o["payments"] and o["status"] == "delivered")
    await page.keyboard.press("/")
    await page.keyboard.type(order["order_no"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(order["order_no"])
    await expect(page.get_by_text(order["payments"][0]["payment_code"]).first).to_be_visible()
    await expect(page.get_by_text("Connect: delivered").first).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text(order["order_no"])
    assert key in orders


async def test_an_order_with_an_odd_reference_is_shown_as_it_is_called(api: Api, page: Page) -> None:
    await page.keyboard.press("/")
    await page.keyboard.type(ODD_ORDER["ClientOrderRef"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(ODD_ORDER["ClientOrderRef"])


async def test_an_operator_signs_in_and_is_told_what_a_retry_came_to(api: Api, page: Page) -> None:
    await page.goto(f"{api.url}/#/quarantine")
    await expect(page.get_by_text("waiting").first).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("retry", re.I))).to_have_count(0)
    await page.get_by_role("link", name="Sign in").first.click()
    await page.get_by_label("Token").fill(api.token)
    await page.get_by_role("button", name="Sign in").click()
    await page.goto(f"{api.url}/#/quarantine")
    await page.get_by_role("checkbox").nth(1).check()  # the first one chooses all
    await page.get_by_role("button", name=re.compile("retry", re.I)).first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("tried from the page")
    await dialog.get_by_role("button", name=re.compile("retry", re.I)).click()
    await expect(page.get_by_text("0 of 1 published as events").first).to_be_visible()
