"""The page serves everybody: by keyboard, on a phone, in light and dark, with a reader of the screen, and safely."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web import data
from tests.web.browser import PHONE, Complaints
from tests.web.conftest import Open
from tests.web.pictures import VIEWS
from tests.web.server import Console


def settled(page: Page) -> Page:
    """The page once it shows what it asked for."""
    page.locator("h1, .state").first.wait_for()
    expect(page.locator(".waiting")).to_have_count(0)
    return page


LONG = {"long": f"#/orders/{quote(data.HOSTILE_KEY, safe='')}"}


@pytest.mark.parametrize("view", [*VIEWS, *LONG])
def test_a_view_fits_the_width_of_a_phone(visit: Open, view: str) -> None:
    page = settled(visit((VIEWS | LONG)[view], token="privacy-token", viewport=PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    beyond = """() => [...document.querySelectorAll('main *')].filter(
        (one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.sr-only, thead, svg')
    ).map((one) => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond) == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_no_barrier_that_axe_finds(visit: Open, view: str, scheme: str) -> None:
    page = settled(visit(VIEWS[view], token="privacy-token", color_scheme=scheme, reduced_motion="reduce"))
    results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    found = [
        (violation["id"], violation["help"], [node["html"][:120] for node in violation["nodes"]])
        for violation in results.response["violations"]
    ]
    assert found == []


def test_the_dialog_has_no_barrier_that_axe_finds(visit: Open) -> None:
    page = visit(VIEWS["letter"], token="operator-token")
    page.get_by_role("button", name="Drop …", exact=True).click()
    page.get_by_role("button", name="Drop for good").click()
    assert Axe().run(page).response["violations"] == []


def test_dark_and_light_follow_the_system(visit: Open) -> None:
    def ground(scheme: str) -> int:
        page = visit("#/", color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert ground("dark") < 150 < 600 < ground("light")


def test_nothing_moves_for_those_who_want_it_still(visit: Open) -> None:
    moving = "() => document.getAnimations().length"
    assert settled(visit("#/")).evaluate(moving) > 0
    assert settled(visit("#/", reduced_motion="reduce")).evaluate(moving) == 0


def focused(page: Page) -> Any:
    return page.evaluate("(document.activeElement.innerText || document.activeElement.id).trim()")


def test_a_letter_is_found_and_released_by_keyboard_alone(visit: Open, console: Console) -> None:
    page = settled(visit("", token="operator-token"))
    press = page.keyboard.press
    press("Tab")
    assert focused(page) == "Skip to the content"
    press("Enter")
    assert focused(page).startswith("Overview")
    press("Tab")
    assert focused(page) == "2 keys parked, 6 events waiting"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    press("Enter")
    expect(page.get_by_role("heading", name="Dead letters", level=1)).to_be_focused()
    letter = page.get_by_role("link", name=data.order_key(data.PARKED))
    expect(letter).to_be_visible()
    press("Tab")
    expect(letter).to_be_focused()
    press("Enter")
    release = page.get_by_role("button", name="Release")
    expect(release).to_be_visible()
    for _ in range(10):
        press("Tab")
        if focused(page).startswith("Release"):
            break
    press("Enter")
    page.keyboard.type("mended/fixed")  # the slash is written, it does not go to the search
    expect(page.get_by_label("Reason")).to_have_value("mended/fixed")
    press("Tab")
    assert focused(page) == "Cancel"
    press("Tab")
    press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Released: 4 events were joined.")
    assert len(console.acted) == 1
    press("Enter")
    expect(page.get_by_role("heading", name="Dead letters", level=1)).to_be_focused()


def test_the_slash_goes_to_the_search_from_everywhere(visit: Open) -> None:
    page = settled(visit("#/alerts"))
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.keyboard.type("SO11000007")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_focused()


def test_the_focus_stays_within_an_open_dialog(visit: Open) -> None:
    page = visit(VIEWS["letter"], token="operator-token")
    page.get_by_role("button", name="Release").click()
    for _ in range(8):
        page.keyboard.press("Tab")
        within = "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        assert page.evaluate(within)


def test_on_a_phone_the_menu_opens_and_closes_after_a_choice(visit: Open) -> None:
    page = settled(visit("", viewport=PHONE))
    menu = page.get_by_role("button", name="Menu")
    expect(page.get_by_role("navigation", name="Views")).to_be_hidden()
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Orders").click()
    expect(page.get_by_role("heading", name="Orders", level=1)).to_be_visible()
    expect(page.get_by_role("navigation", name="Views")).to_be_hidden()


def test_markup_in_a_reference_stays_text(visit: Open, complaints: Complaints) -> None:
    complaints.expected = {404}
    page = visit("")
    page.get_by_role("searchbox").fill(data.HOSTILE)
    page.keyboard.press("Enter")
    hit = page.get_by_role("link", name=data.HOSTILE)
    expect(hit).to_be_visible()
    hit.click()
    expect(page.get_by_role("heading", name=data.HOSTILE, level=1)).to_be_visible()
    expect(page.get_by_role("region", name="References")).to_contain_text("javascript:alert(1)")
    page.goto(page.url.split("#")[0] + "#/quarantine")
    expect(page.get_by_text(data.HOSTILE).first).to_be_visible()
    page.goto(page.url.split("#")[0] + "#/search?q=" + data.HOSTILE + "%2F")
    expect(page.locator(".state")).to_contain_text(data.HOSTILE)
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_signing_in_leads_nowhere_but_into_the_page(visit: Open) -> None:
    page = visit("#/sign-in?from=https://evil.example/")
    page.get_by_label("Token").fill("operator-token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_an_address_that_cannot_be_read_is_the_overview(visit: Open) -> None:
    expect(visit("#/orders/%E0%A4%A").get_by_role("heading", name="Overview", level=1)).to_be_visible()
