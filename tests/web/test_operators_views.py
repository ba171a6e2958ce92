"""What operators see and do: alerts, dead letters, quarantine, reports, accounts."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.web import data
from tests.web.browser import Complaints
from tests.web.conftest import Open
from tests.web.server import Console

LETTER = f"#/dead-letters/{data.letter_id(0)}"


def test_alerts_are_listed_the_worst_first_and_filtered_by_address(visit: Open) -> None:
    page = visit("#/alerts")
    alerts = page.get_by_role("article")
    expect(alerts).to_have_count(6)
    badges = [alerts.nth(place).locator(".badge").inner_text() for place in range(6)]
    assert badges == ["Critical", "Critical", "Warning", "Warning", "Warning", "Notice"]
    page.get_by_role("navigation", name="Severity").get_by_role("link", name="Critical").click()
    expect(alerts).to_have_count(2)
    page.get_by_label("Kind").select_option("Paid, not confirmed")
    expect(alerts).to_have_count(1)
    page.reload()
    expect(page.get_by_label("Kind")).to_have_value("paid_not_confirmed")
    expect(alerts).to_have_count(1)
    page.get_by_role("link", name=f"Order {data.order_key(9)}").click()
    expect(page.get_by_role("heading", name="SO11000009", level=1)).to_be_visible()


def test_no_open_alert_is_said_calmly(visit: Open, console: Console) -> None:
    expect(visit("#/alerts?kind=paid_twice").locator(".state")).to_contain_text("No open alert fits the filter.")
    console.empty = True
    expect(visit("#/alerts").locator(".state")).to_contain_text("No alert is open")


def test_without_the_role_nothing_can_be_done_and_the_page_says_why(visit: Open, console: Console) -> None:
    page = visit(LETTER)
    why = page.get_by_role("region", name="AmountTooPrecise")
    expect(why).to_contain_text("needs the role operator")
    expect(why.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Release|Drop"))).to_have_count(0)
    page = visit("#/quarantine")
    expect(page.get_by_text("retrying needs the role operator")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    console.accounts = False
    expect(visit(LETTER).get_by_text("No accounts are set up on this console.").first).to_be_visible()


def test_releasing_a_letter_says_what_it_will_do_wants_a_reason_and_shows_the_outcome(
    visit: Open, console: Console
) -> None:
    page = visit("#/dead-letters", token="operator-token")
    page.get_by_role("link", name=data.order_key(data.PARKED)).click()
    page.get_by_role("button", name="Release").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_accessible_name("Release this letter?")
    expect(dialog).to_contain_text("joined again, as if it came now")
    expect(dialog).to_contain_text("the 3 events that wait behind it, in order")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    dialog.get_by_role("button", name="Release", exact=True).click()
    expect(dialog).to_contain_text("Please say why")
    assert console.acted == []
    dialog.get_by_label("Reason").fill("amounts are rounded by the ERP now")
    dialog.get_by_role("button", name="Release", exact=True).click()
    expect(dialog).to_contain_text("Released: 4 events were joined.")
    assert console.acted == [(f"{data.letter_id(0)}/release", {"reason": "amounts are rounded by the ERP now"})]
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="Dead letters", level=1)).to_be_visible()
    expect(page.get_by_role("link", name=data.order_key(data.PARKED))).to_have_count(0)


def test_dropping_a_letter_says_that_it_is_for_good(visit: Open, console: Console) -> None:
    page = visit(LETTER, token="operator-token")
    page.get_by_role("button", name="Drop …", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("given up for good")
    dialog.get_by_label("Reason").fill("a test order")
    dialog.get_by_role("button", name="Drop for good").click()
    expect(dialog).to_contain_text("Dropped; 3 events were joined.")
    assert console.acted == [(f"{data.letter_id(0)}/drop", {"reason": "a test order"})]


def test_dropping_everything_behind_a_letter_says_how_many_events_that_is(visit: Open, console: Console) -> None:
    page = visit(LETTER, token="operator-token")
    page.get_by_role("button", name="Drop everything behind it too").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_accessible_name("Drop all 4 events?")
    expect(dialog).to_contain_text("the 3 events that wait behind it are given up for good")
    dialog.get_by_label("Reason").fill("a test order")
    dialog.get_by_role("button", name="Drop all for good").click()
    expect(dialog.get_by_role("status")).to_be_visible()
    assert console.acted == [(f"{data.letter_id(0)}/drop", {"reason": "a test order", "everything": True})]
    page = visit(f"#/dead-letters/{data.letter_id(1)}", token="operator-token")
    expect(page.get_by_role("button", name="Drop")).to_have_count(1)  # nothing waits behind this one


def test_an_action_that_no_worker_carried_out_yet_says_so(visit: Open, console: Console) -> None:
    console.no_worker = True
    page = visit(LETTER, token="operator-token")
    page.get_by_role("button", name="Release").click()
    page.get_by_label("Reason").fill("mended")
    page.get_by_role("dialog").get_by_role("button", name="Release", exact=True).click()
    expect(page.locator("dialog .banner.warn")).to_contain_text("a worker that runs carries it out")


def test_a_letter_shows_what_came_where_it_failed_and_what_waits(visit: Open) -> None:
    page = visit(LETTER)
    expect(page.get_by_label("Body")).to_contain_text('"Email": "***"')
    expect(page.get_by_label("Trace")).to_contain_text("amounts.py:41 in exact")
    expect(page.get_by_role("region", name="What waits behind it")).to_contain_text("OrderDeliveredEvent")


def test_a_letter_without_a_key_can_be_dropped_only(visit: Open) -> None:
    page = visit(f"#/dead-letters/{data.letter_id(3)}", token="operator-token")
    expect(page.get_by_role("button", name="Drop")).to_be_visible()
    expect(page.get_by_text("it can be dropped only")).to_be_visible()
    expect(page.get_by_role("button", name="Release")).to_have_count(0)


def test_a_dialog_that_is_left_does_nothing_and_gives_the_focus_back(visit: Open, console: Console) -> None:
    page = visit(LETTER, token="operator-token")
    drop = page.get_by_role("button", name="Drop …", exact=True)
    for leave in ("Escape", "Cancel"):
        drop.click()
        page.get_by_label("Reason").fill("not after all")
        if leave == "Escape":
            page.keyboard.press("Escape")
        else:
            page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(drop).to_be_focused()
    assert console.acted == []


def test_an_action_that_is_refused_says_so_in_the_dialog(visit: Open, console: Console, complaints: Complaints) -> None:
    complaints.expected = {409}
    console.refuses_actions = True
    page = visit(LETTER, token="operator-token")
    page.get_by_role("button", name="Release").click()
    page.get_by_label("Reason").fill("mended")
    page.get_by_role("dialog").get_by_role("button", name="Release", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Somebody released this letter before.")
    expect(page.get_by_label("Reason")).to_have_value("mended")


def test_chosen_bodies_of_the_quarantine_are_retried(visit: Open, console: Console) -> None:
    page = visit("#/quarantine", token="operator-token")
    retry = page.get_by_role("button", name="Retry")
    expect(retry).to_be_disabled()
    page.get_by_label("Choose 0:0", exact=True).check()
    page.get_by_label("Choose 1:1", exact=True).check()
    retry.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Retry 2 bodies?")
    expect(dialog).to_contain_text("What still does not fit stays here")
    dialog.get_by_label("Reason").fill("the model knows the field now")
    dialog.get_by_role("button", name="Retry", exact=True).click()
    expect(dialog).to_contain_text("1 of 2 published as events")
    [(place, body)] = console.acted
    assert (place, sorted(body["ids"])) == ("quarantine/retry", ["0:0", "1:1"])
    assert body["reason"] == "the model knows the field now"
    dialog.get_by_role("button", name="Close").click()
    expect(retry).to_be_disabled()


def test_a_body_says_what_is_wrong_and_where_and_what_was_tried(visit: Open) -> None:
    page = visit("#/quarantine")
    page.get_by_role("link", name="0:0", exact=True).click()
    expect(page.get_by_role("heading", name="OrderConfirmedEvent", level=1)).to_be_visible()
    why = page.get_by_role("region", name="Wrong fields")
    for text in ("a number was expected", "Payment.Amount", "norce.quarantine", "512 bytes", "needs the role operator"):
        expect(why).to_contain_text(text)
    expect(page.get_by_role("region", name="Headers")).to_contain_text("norce_where")
    expect(page.get_by_role("region", name="What was tried")).to_contain_text("anna")
    expect(page.get_by_role("region", name="Body")).to_contain_text('"Email": "***"')
    page = visit("#/quarantine/2:2")
    expect(page.get_by_role("region", name="Body")).to_contain_text("It is hidden as a whole")


def test_a_body_is_shown_as_it_came_to_the_role_alone_and_only_when_asked_for(visit: Open, console: Console) -> None:
    page = visit("#/quarantine/0:0", token="operator-token")
    content = page.get_by_role("region", name="Body")
    expect(content).to_contain_text("needs the role privacy")
    expect(content.get_by_role("button")).to_have_count(0)
    page = visit("#/quarantine/0:0", token="privacy-token")
    content = page.get_by_role("region", name="Body")
    expect(content).to_contain_text("***")
    assert console.persons_seen == []
    content.get_by_role("button", name="Show it as it came").click()
    expect(content).to_contain_text("maja@example.com")
    assert console.persons_seen == [("per", "0:0")]


def test_a_body_can_be_retried_from_its_own_page(visit: Open, console: Console) -> None:
    page = visit("#/quarantine/0:0", token="operator-token")
    page.get_by_role("button", name="Retry").click()
    page.get_by_label("Reason").fill("the model knows it now")
    page.get_by_role("dialog").get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_be_visible()
    assert console.acted == [("quarantine/retry", {"ids": ["0:0"], "reason": "the model knows it now"})]
    page = visit("#/quarantine/4:4", token="operator-token")
    expect(page.get_by_text("nothing is left to do about it")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)


def test_the_quarantine_is_paged_and_all_of_a_page_can_be_chosen(visit: Open) -> None:
    page = visit("#/quarantine", token="operator-token")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_label("All that wait on this page").check()
    expect(page.get_by_role("button", name="Retry 40")).to_be_enabled()
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("button", name="Retry")).to_be_disabled()


def test_reports_of_reconciliation_say_what_was_missing_and_what_differs(visit: Open) -> None:
    page = visit("#/reconciliation")
    sweeps = page.get_by_role("article")
    expect(sweeps).to_have_count(4)
    expect(sweeps.nth(0)).to_contain_text("OrderConfirmedEvent 4")
    expect(sweeps.nth(2)).to_contain_text("Query answered 503 for ten minutes.")
    sweeps.nth(1).get_by_text("The first 1 differences").click()
    sweeps.nth(1).get_by_role("link", name=data.order_key(data.REVIEWED)).click()
    expect(page.get_by_role("heading", name="SO11000007", level=1)).to_be_visible()


def test_reports_of_drift_say_what_to_change(visit: Open) -> None:
    report = visit("#/drift").get_by_role("article")
    expect(report).to_contain_text("GiftWrap")
    expect(report).to_contain_text("Add the field GiftWrap")


def test_empty_reports_say_so(visit: Open, console: Console) -> None:
    console.empty = True
    expect(visit("#/drift").locator(".state")).to_contain_text("Norce sends what it documents.")
    expect(visit("#/reconciliation").locator(".state")).to_contain_text("No comparison was made yet")
    expect(visit("#/dead-letters").locator(".state")).to_contain_text("No dead letters")
    expect(visit("#/quarantine").locator(".state")).to_contain_text("Quarantine is empty")


def test_signing_in_leads_back_and_signing_out_forgets_the_token(
    visit: Open, console: Console, complaints: Complaints
) -> None:
    complaints.expected = {401}
    page = visit(LETTER)
    page.get_by_role("banner").get_by_role("link", name="Sign in").click()
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This token is not known here.")
    page.get_by_label("Token").fill("operator-token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Release")).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("anna")
    assert "operator-token" not in page.content()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_where_reading_needs_an_account_the_page_asks_to_sign_in(
    visit: Open, console: Console, complaints: Complaints
) -> None:
    complaints.expected = {401}
    console.reading_needs_account = True
    page = visit("#/orders")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_label("Token").fill("operator-token")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("main")).to_contain_text("Please sign in")


def test_a_token_that_is_not_taken_any_more_is_forgotten(visit: Open, console: Console, complaints: Complaints) -> None:
    complaints.expected = {401}
    page = visit("#/orders", token="revoked-token")
    expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
