"""What support staff see: the overview, the search, an order, the lists."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web import data
from tests.web.browser import Complaints
from tests.web.conftest import Open
from tests.web.server import Console

ORDER = f"#/orders/{data.order_key(data.REVIEWED)}"


def until_asked(console: Console, page: Page, resource: str, times: int) -> None:
    """Wait until the page asked for the resource that often."""
    deadline = time.monotonic() + 15
    while sum(place.startswith(f"/api/v1/{resource}") for place in console.asked) < times:
        assert time.monotonic() < deadline, console.asked
        page.wait_for_timeout(50)


def test_the_overview_shows_the_stages_in_the_order_of_the_flow(visit: Open) -> None:
    page = visit()
    stages = page.get_by_role("region", name="Stages").get_by_role("article")
    expect(stages).to_have_count(4)
    titles = [stages.nth(place).get_by_role("heading").inner_text() for place in range(4)]
    assert titles == ["Webhook connector", "Worker", "Connect sink", "Checkout sink"]
    worker = page.get_by_role("article", name="Worker")
    for text in ("events/s", "Lag", "12", "Oldest", "Errors"):
        expect(worker).to_contain_text(text)
    expect(page.get_by_role("article", name="Connect sink")).to_contain_text("Connect: calls flow")
    expect(page.get_by_role("article", name="Look-ups")).to_be_visible()


def test_the_overview_says_how_every_event_and_update_ended(visit: Open) -> None:
    ledger = visit().get_by_role("region", name="Ledger")
    expect(ledger).to_contain_text("Updates for Checkout 516")
    for text in ("Delivered 402", "Superseded 90", "No order there 22", "Dead 2"):
        expect(ledger).to_contain_text(text)


@pytest.mark.parametrize(
    ("balance", "said"),
    [
        (
            {},
            "6 events of parked keys have no end until somebody releases or drops them. Besides, 12 records",
        ),
        ({"parked": 0}, "Under way: 12 records not joined yet."),
        ({"parked": 0, "unsent": 1}, "12 records not joined yet, 1 record of updates not worked through yet"),
        ({"parked": 0, "waiting": 0}, "Every event that is in Kafka has its end in the ledger, and every update."),
        ({"parked": 0, "waiting": 0, "skipped": 2}, "2 records missing: Kafka had deleted them"),
        ({"waiting": None}, "Nothing can be said: no worker has told yet"),
        (
            {"silent": ["Worker"], "waiting": None},
            "while not every process of these is ready: Worker",
        ),
    ],
)
def test_the_overview_says_of_the_ledger_what_the_counts_prove(
    visit: Open, console: Console, balance: dict[str, Any], said: str
) -> None:
    console.balance = balance
    expect(visit().get_by_role("region", name="Ledger")).to_contain_text(said)


def test_the_overview_stays_up_to_date_without_building_its_parts_anew(visit: Open, console: Console) -> None:
    page = visit()
    rate = page.get_by_role("article", name="Webhook connector").locator(".big b")
    expect(rate).to_be_visible()
    page.evaluate("window.kept = document.querySelector('.stage .big b')")
    before = rate.inner_text()
    expect(rate).not_to_have_text(before)
    assert page.evaluate("window.kept === document.querySelector('.stage .big b')")
    assert page.locator(".waiting").count() == 0


def test_the_overview_asks_nothing_while_the_tab_is_hidden(visit: Open, console: Console) -> None:
    page = visit()
    until_asked(console, page, "overview", 2)
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(hide, True)
    page.wait_for_load_state("networkidle")
    looks = console.looks
    page.wait_for_timeout(2500)  # more than a look's time; that nothing comes cannot be awaited
    assert console.looks == looks
    page.evaluate(f"(({hide})(false), ({hide})(true))")  # an answer that comes while hidden asks for no further one
    until_asked(console, page, "overview", looks + 1)
    page.wait_for_timeout(2500)
    assert console.looks == looks + 1
    page.evaluate(hide, False)
    until_asked(console, page, "overview", looks + 2)


def test_a_process_that_does_not_answer_is_shown_so(visit: Open, console: Console) -> None:
    console.silent = True
    page = visit()
    sink = page.get_by_role("article", name="Checkout sink")
    expect(sink).to_contain_text("no answer")
    expect(sink).to_contain_text("http://127.0.0.1:8083 does not answer")
    expect(sink).to_contain_text("Checkout: being tried")
    expect(page.get_by_text("Checkout sink: not every process answers")).to_be_visible()


def test_what_waits_for_somebody_is_linked_from_the_overview(visit: Open) -> None:
    page = visit()
    page.get_by_role("link", name="2 keys parked, 6 events waiting").click()
    expect(page.get_by_role("heading", name="Dead letters", level=1)).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="6 alerts open").click()
    expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="4 dead letters since the start")).to_be_visible()
    page.get_by_role("link", name="3 bodies wait in quarantine").click()
    expect(page.get_by_role("heading", name="Quarantine", level=1)).to_be_visible()


def test_a_search_with_one_hit_goes_straight_to_the_order_and_back_does_not_loop(visit: Open) -> None:
    page = visit()
    page.get_by_role("searchbox").fill("SO11000007")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()
    assert page.url.endswith("#/orders/103%3A1032%3A11000007")
    page.go_back()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_a_search_with_several_hits_lists_them(visit: Open) -> None:
    page = visit("#/alerts")
    page.get_by_role("searchbox").fill("several")
    page.keyboard.press("Enter")
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("Payment code")
    page.get_by_role("link", name="SO11000004").click()
    expect(page.get_by_role("heading", name="SO11000004", level=1)).to_be_visible()


def test_a_search_without_a_hit_says_what_was_looked_for_and_what_helps(visit: Open) -> None:
    page = visit("#/search?q=SO-404")
    state = page.locator(".state")
    for text in ("Nothing found", "SO-404", "order number", "payment code", "Write the whole reference"):
        expect(state).to_contain_text(text)


def test_an_order_shows_where_it_stands_what_was_paid_and_what_was_bought(visit: Open) -> None:
    page = visit(ORDER)
    track = page.get_by_role("list", name="Life cycle").get_by_role("listitem")
    expect(track).to_have_count(4)
    expect(track.nth(1)).to_contain_text(re.compile("Confirmed.*not yet"))
    expect(track.nth(3)).to_have_attribute("aria-current", "step")
    expect(page.get_by_role("region", name="Payments")).to_contain_text("12\u202f745.50\u00a0SEK")
    lines = page.get_by_role("region", name="Lines")
    expect(lines.get_by_role("row")).to_have_count(4)
    expect(lines).to_contain_text("Dining chair, oiled oak")
    expect(lines).to_contain_text("12\u202f745.50\u00a0SEK")
    expect(page.get_by_role("region", name="Contradictions")).to_contain_text("SO11000070")
    expect(page.get_by_role("list", name="Open alerts")).to_contain_text("Delivered, never confirmed")


def test_a_cancelled_order_ends_its_track_there(visit: Open) -> None:
    page = visit(f"#/orders/{data.order_key(data.CANCELLED)}")
    expect(page.get_by_role("list", name="Life cycle").get_by_role("listitem").last).to_contain_text("Cancelled")


def test_the_timeline_has_everything_in_order_and_hides_duplicates_on_request(visit: Open) -> None:
    page = visit(ORDER)
    timeline = page.get_by_role("region", name="Timeline")
    entries = timeline.locator(".entry")
    known = len(data.timeline(data.REVIEWED, datetime.now(UTC))["entries"])
    expect(entries).to_have_count(known)
    times = timeline.locator(".entry time").evaluate_all("(all) => all.map((one) => one.dateTime)")
    assert times == sorted(times)
    timeline.get_by_label("Duplicate").uncheck()
    expect(entries).to_have_count(known - 1)
    expect(timeline).not_to_contain_text("a further delivery of something known")
    timeline.get_by_text("Details").first.click()
    expect(timeline.get_by_text(data.id_of(data.REVIEWED, "received")).first).to_be_visible()


def test_what_norce_was_not_called_for_is_not_called_a_call(visit: Open) -> None:
    timeline = visit(ORDER).get_by_role("region", name="Timeline")
    expect(timeline.get_by_label("Not sent")).to_be_checked()
    told = data.timeline(data.REVIEWED, datetime.now(UTC))["entries"]
    for name, what in (("Call", "call"), ("Not sent", "not_sent")):
        number = sum(entry["what"] == what for entry in told)
        assert number > 0
        expect(timeline.locator(f".entry.is-{what}")).to_have_count(number)
        expect(timeline.locator(".chip", has_text=name)).to_contain_text(str(number))


def test_a_parked_order_says_that_events_wait_and_leads_to_the_letter(visit: Open) -> None:
    page = visit(f"#/orders/{data.order_key(data.PARKED)}")
    expect(page.get_by_role("alert")).to_contain_text("3 events wait")
    page.get_by_role("link", name="Look at the dead letter").click()
    expect(page.get_by_role("heading", name="AmountTooPrecise")).to_be_visible()


def test_an_order_of_which_nothing_could_be_joined_is_shown(visit: Open) -> None:
    page = visit(f"#/orders/{data.order_key(data.NOTHING_YET)}")
    expect(page.get_by_role("heading", name="Nothing is known yet")).to_be_visible()
    expect(page.get_by_role("link", name="Look at the dead letter")).to_be_visible()


def test_personal_data_is_fetched_only_for_the_role_and_only_when_asked_for(visit: Open, console: Console) -> None:
    page = visit(ORDER, token="operator-token")
    person = page.get_by_role("region", name="Personal data")
    expect(person).to_contain_text("needs the role privacy")
    expect(person.get_by_role("button")).to_have_count(0)

    page = visit(ORDER, token="privacy-token")
    person = page.get_by_role("region", name="Personal data")
    expect(person).to_contain_text("Each look is recorded with your name (per)")
    assert console.persons_seen == []
    person.get_by_role("button", name="Show personal data").click()
    expect(person).to_contain_text("Maja Lindqvist")
    assert console.persons_seen == [("per", data.order_key(data.REVIEWED))]
    person.get_by_role("button", name="Hide").click()
    expect(person).not_to_contain_text("Maja Lindqvist")


def test_a_hundred_thousand_orders_are_paged_and_a_page_survives_a_reload(visit: Open, console: Console) -> None:
    page = visit("#/orders")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="SO11000050")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="SO11000050")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="SO11000000")).to_be_visible()
    page.goto(f"{console.address}#/orders?after={data.ORDERS - 20}")
    expect(rows).to_have_count(20)
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    page.get_by_role("link", name="First page").click()
    expect(page.get_by_role("link", name="SO11000000")).to_be_visible()


def test_records_of_other_kinds_are_listed_and_shown_field_by_field(visit: Open) -> None:
    page = visit("#/products")
    page.get_by_role("link", name="LAMP-07").click()
    expect(page.get_by_role("heading", name="LAMP-07", level=1)).to_be_visible()
    expect(page.get_by_role("region", name="What is known")).to_contain_text("Table lamp, linen shade")
    expect(page.get_by_role("region", name="Sale prices")).to_contain_text("230.00")
    expect(page.get_by_role("list", name="Open alerts")).to_contain_text("Sold below cost")


@pytest.mark.parametrize("kind", ["customers", "companies", "subscriptions", "invoices", "jobs"])
def test_an_empty_list_says_so(visit: Open, kind: str) -> None:
    expect(visit(f"#/{kind}").locator(".state")).to_contain_text(f"No {kind} here")


def test_a_moving_partition_is_waited_for_and_then_shown(visit: Open, console: Console, complaints: Complaints) -> None:
    complaints.expected = {503}
    console.moving = True
    page = visit(ORDER)
    expect(page.get_by_role("status").filter(has_text="moving to another worker")).to_contain_text("nothing is lost")
    console.moving = False
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()


def test_what_was_shown_stays_while_its_partition_moves(visit: Open, console: Console, complaints: Complaints) -> None:
    complaints.expected = {503}
    page = visit(ORDER)
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()
    console.moving = True
    expect(page.get_by_text("no owner at the moment").first).to_be_visible()
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()
    console.moving = False
    expect(page.get_by_text("no owner at the moment")).to_have_count(0)


def test_what_may_not_be_seen_any_more_is_not_shown_any_more(
    visit: Open, console: Console, complaints: Complaints
) -> None:
    complaints.expected = {401}
    page = visit(ORDER)
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()
    console.reading_needs_account = True
    expect(page.get_by_role("heading", name="Please sign in").first).to_be_visible()
    expect(page.get_by_text("12\u202f745.50")).to_have_count(0)


def test_a_server_that_fails_is_asked_again(visit: Open, console: Console, complaints: Complaints) -> None:
    complaints.expected = {500}
    console.broken = True
    page = visit("#/orders")
    expect(page.locator(".state")).to_contain_text("No answer at the moment")
    console.broken = False
    expect(page.locator("tbody tr")).to_have_count(50)


def test_an_unknown_key_and_an_unknown_page_say_so(visit: Open, complaints: Complaints) -> None:
    complaints.expected = {404}
    expect(visit("#/orders/103:1032:x").get_by_role("alert")).to_contain_text("Not found")
    expect(visit("#/nowhere").get_by_role("alert")).to_contain_text("There is no such page.")
