"""The judge is put on trial: it agrees with what is right and names what is wrong."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pipeline.domain import DEFAULT_POLICIES, Arrival, Update, derive, encode_update, enriched, order_view
from tests.domain.events import (
    HOUR,
    KEY,
    MINUTE,
    SECOND,
    arrival,
    event_sequences,
    failure,
    payment,
    received,
    state_of,
    status,
)
from tests.domain.test_lookups import order_said, told
from tests.verifier import differences, expected, expected_groups
from tests.verifier.differences import Difference
from tests.verifier.expected import Expected, RawRecord, expected_orders

ORDER = KEY.text
TOPICS = {"OrderPaymentReceivedEvent": "norce.events.payment", "SubscriptionFailedEvent": "norce.events.subscription"}

LIFE = [
    received(0),
    status("Confirmed", MINUTE),
    payment(2 * MINUTE),
    payment(3 * MINUTE, PaymentCode="P2", Amount=10, CurrencyCode="EUR"),
    payment(4 * MINUTE, PaymentCode="P2", Amount=10, CurrencyCode="EUR"),
    status("PartlyDelivered", HOUR),
    status("PartlyDelivered", HOUR + SECOND),
    status("PartlyDelivered", 2 * HOUR),
    failure(3 * HOUR),
    failure(4 * HOUR),
]


def raw(events: Iterable[Arrival]) -> list[RawRecord]:
    """The events as the connector publishes them."""
    records = []
    for offset, event in enumerate(events):
        assert isinstance(event.body, bytes)
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.received_at)
        headers = [
            ("ce_id", event.event_id.encode()),
            ("ce_type", f"io.norce.{event.event_type}".encode()),
            ("ce_time", time.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()),
        ]
        topic = TOPICS.get(event.event_type, "norce.events.order")
        record = RawRecord(topic, 0, offset, event.received_at // 1000, ORDER.encode(), event.body, headers)
        records.append(record)
    return records


def must_be(events: Iterable[Arrival]) -> dict[str, Expected]:
    return expected_orders(raw(events))


def published(events: Iterable[Arrival]) -> dict[str, Any]:
    return dict(json.loads(enriched(order_view(KEY, state_of(events)))))


def pushed(events: list[Arrival]) -> list[dict[str, Any]]:
    """All updates of events that were folded one after the other."""
    updates: list[Update] = []
    before = None
    for number in range(1, len(events) + 1):
        after = order_view(KEY, state_of(events[:number]))
        updates += derive(before, after, DEFAULT_POLICIES)
        before = after
    return [json.loads(encode_update(update)) for update in updates]


@given(event_sequences())
def test_the_verifier_agrees_with_the_domain(events: list[Arrival]) -> None:
    assert differences.in_orders(must_be(events), {ORDER: published(events)}) == []


@given(event_sequences())
def test_the_verifier_agrees_with_what_is_pushed(events: list[Arrival]) -> None:
    infos, attributes = differences.last_contents(pushed(events))
    assert differences.in_connect(must_be(events), infos) == []
    assert differences.in_checkout(must_be(events), attributes) == []


Tamper = Callable[[dict[str, Any]], object]

TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "another tenant": (lambda r: r.update(client_id=9), "client_id"),
    "another shop": (lambda r: r.update(application_id=9), "application_id"),
    "another reference": (lambda r: r.update(client_order_ref="9"), "client_order_ref"),
    "a status too low": (lambda r: r.update(status="confirmed"), "status"),
    "a status too high": (lambda r: r.update(status="delivered"), "status"),
    "another order id": (lambda r: r.update(order_id=6), "order_id"),
    "no order id": (lambda r: r.update(order_id=None), "order_id"),
    "the basket id for the ERP number": (lambda r: r.update(order_no="1001"), "order_no"),
    "a payment counted twice": (lambda r: r["paid"].update(EUR="20.00"), "paid"),
    "a cent too much": (lambda r: r["paid"].update(SEK="249.51"), "paid"),
    "an amount as a number": (lambda r: r["paid"].update(SEK=249.5), "paid"),
    "an amount with an exponent": (lambda r: r["paid"].update(EUR="1E+1"), "paid"),
    "a currency missing": (lambda r: r["paid"].pop("EUR"), "paid"),
    "a payment missing": (lambda r: r["payments"].pop(), "payment_codes"),
    "a payment listed twice": (lambda r: r["payments"].append(r["payments"][0]), "payment_codes"),
    "a failure too few": (lambda r: r["subscription_failures"][0].update(occurrences=1), "subscription_failures"),
    "another failure": (lambda r: r["subscription_failures"][0].update(error_message="?"), "subscription_failures"),
    "no failure": (lambda r: r["subscription_failures"].clear(), "subscription_failures"),
    "a delivery forgotten": (lambda r: r["timeline"].pop(4), "timeline length"),
    "an event of another type": (lambda r: r["timeline"][0].update(event_type="X"), "timeline event types"),
    "an event that never was": (lambda r: r["timeline"][0].update(event_id="X"), "timeline event ids"),
    "an event hidden": (lambda r: r.update(timeline_omitted=1), "timeline length"),
    "a version too low": (lambda r: r.update(version=r["version"] - 1), "version"),
    "a version too high": (lambda r: r.update(version=r["version"] + 1), "version"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_verifier_names_what_was_tampered_with(name: str) -> None:
    tamper, what = TAMPERINGS[name]
    record = published(LIFE)
    tamper(record)
    assert what in [difference.what for difference in differences.in_orders(must_be(LIFE), {ORDER: record})]


@pytest.mark.parametrize("lost", range(len(LIFE)))
def test_the_verifier_sees_every_event_that_is_lost(lost: int) -> None:
    kept = [event for number, event in enumerate(LIFE) if number != lost]
    assert differences.in_orders(must_be(LIFE), {ORDER: published(kept)}) != []


def test_the_verifier_sees_an_event_that_was_made_up() -> None:
    assert differences.in_orders(must_be(LIFE), {ORDER: published([*LIFE, received(HOUR)])}) != []


def test_the_verifier_sees_orders_that_are_missing_or_unexpected() -> None:
    assert differences.in_orders(must_be(LIFE), {}) == [Difference(ORDER, "missing order", True, False)]
    assert differences.in_orders({}, {ORDER: published(LIFE)}) == [Difference(ORDER, "unexpected order", False, True)]


PUSH_TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "an Info missing": (lambda p: p["infos"][ORDER].pop("PaymentCodes"), "Info PaymentCodes"),
    "an Info too many": (lambda p: p["infos"][ORDER].update(Other="x"), "Info Other"),
    "an old amount": (lambda p: p["infos"][ORDER].update(PaidAmount="249.50 SEK"), "Info PaidAmount"),
    "an old count": (lambda p: p["infos"][ORDER].update(SubscriptionFailures="1"), "Info SubscriptionFailures"),
    "nothing in Connect": (lambda p: p["infos"].clear(), "missing order in Connect"),
    "a foreign order in Connect": (lambda p: p["infos"].update({"9:9:9": {}}), "unexpected order in Connect"),
    "an old status": (lambda p: p["attributes"][ORDER].update(status="confirmed"), "attribute status"),
    "an old order number": (lambda p: p["attributes"][ORDER].update(order_no="1001"), "attribute order_no"),
    "an old payment state": (lambda p: p["attributes"][ORDER].pop("payment_state"), "attribute payment_state"),
    "an old sum": (lambda p: p["attributes"][ORDER]["paid"].pop("EUR"), "attribute paid"),
    "an old failure": (
        lambda p: p["attributes"][ORDER].update(subscription_failures=1),
        "attribute subscription_failures",
    ),
    "a version from the future": (lambda p: p["attributes"][ORDER].update(version=99), "attribute version"),
    "nothing in Checkout": (lambda p: p["attributes"].clear(), "missing order in Checkout"),
}


@pytest.mark.parametrize("name", PUSH_TAMPERINGS)
def test_the_verifier_names_what_was_pushed_wrongly(name: str) -> None:
    tamper, what = PUSH_TAMPERINGS[name]
    infos, attributes = differences.last_contents(pushed(LIFE))
    tamper({"infos": infos, "attributes": attributes})
    found = differences.in_connect(must_be(LIFE), infos) + differences.in_checkout(must_be(LIFE), attributes)
    assert what in [difference.what for difference in found]


def test_an_order_with_nothing_to_say_must_not_be_in_connect() -> None:
    quiet = must_be([received()])
    assert differences.in_connect(quiet, {}) == []
    assert differences.in_connect(quiet, {ORDER: {"PaymentState": "payment_received"}}) != []


def test_dead_lettered_events_do_not_count() -> None:
    aside = LIFE[2].event_id
    kept = [event for event in LIFE if event.event_id != aside]
    orders = expected_orders(raw(LIFE), set_aside=frozenset([aside]))
    assert differences.in_orders(orders, {ORDER: published(kept)}) == []


def test_a_record_under_the_wrong_key_is_no_basis_for_a_verdict() -> None:
    (record,) = raw([received()])
    with pytest.raises(AssertionError, match="wrong key"):
        expected_orders([record._replace(key=b"1:2:1002")])


def test_events_that_are_about_no_order_are_left_out() -> None:
    capture = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 6, "State": "Error"}
    (invoice,) = raw([arrival("InvoiceCaptureCompletedEvent", capture)])
    (external,) = raw([arrival("ExternalOrderReceivedEvent", {"ClientId": 1})])
    (subscription,) = raw([failure(BasketId=None)])
    assert expected_orders([invoice._replace(topic="norce.events.invoice"), external, subscription]) == {}


@pytest.mark.parametrize("module", [expected, expected_groups, differences])
def test_the_verifier_imports_nothing_of_what_it_judges(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in imported if name and name.startswith(("pipeline", "connectors"))]


HELD = {
    "currency": "SEK",
    "lines": [
        {"part_no": "SKU-1", "name": "A chair", "quantity": "2", "amount": "200.10"},
        {"part_no": "FREIGHT", "name": "Freight", "quantity": "1", "amount": "39.20"},
    ],
}


def priced() -> dict[str, Any]:
    return published([*LIFE, told(order_said())])


def test_the_verifier_agrees_with_what_was_looked_up() -> None:
    assert differences.in_lookups({ORDER: HELD}, {ORDER: priced()}) == []


@pytest.mark.parametrize("place", ["currency", "excluding_vat", "including_vat", "lines", "nothing at all"])
def test_the_verifier_sees_an_order_that_is_not_as_norce_holds_it(place: str) -> None:
    record = priced()
    if place == "lines":
        record["lines"] = record["lines"][1:]
    elif place == "nothing at all":
        record |= {"totals": None, "lines": []}
    else:
        record["totals"] = {**record["totals"], place: "1.00"}
    assert differences.in_lookups({ORDER: HELD}, {ORDER: record}) != []
