"""From records to reports: which records are looked at, and that nothing of a body's values gets out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.drift.reports import Report, event_type_of
from pipeline.drift.watch import Seen, Watch
from pipeline.drift.windows import WindowRule
from pipeline.partitions import home
from tests.drift.bodies import (
    CONFIRMED,
    CONFIRMED_BODY,
    INVOICE,
    PAYMENT_BODY,
    RECEIVED,
    RECEIVED_BODY,
    drifted,
    record,
    refused,
)

WATCH = Watch(WindowRule(before=4, run=2))


def step(records: Iterable[Any], stored: Mapping[bytes, bytes] | None = None) -> Seen:
    table = stored or {}
    return WATCH.step(records, lambda keys: {key: table[key] for key in keys if key in table})


def reports(*records: Any) -> list[Mapping[str, Any]]:
    return [json.loads(report.encode()) for report in step(records).reports.values()]


def the_one(*records: Any) -> Mapping[str, Any]:
    (found,) = reports(*records)
    return found


def test_a_report_says_what_drifted_where_it_was_seen_first_and_what_to_change() -> None:
    body = {**CONFIRMED_BODY, "GiftWrap": True}
    seen = step([record(CONFIRMED, body, offset=41, partition=3), record(CONFIRMED, body, offset=42, partition=3)])
    ((key, report),) = seen.reports.items()
    assert key == report.key
    assert key.startswith("OrderConfirmedEvent:")
    found = json.loads(report.encode())
    assert found.pop("id")
    assert found == {
        "event_type": "OrderConfirmedEvent",
        "kind": "added",
        "field": "GiftWrap",
        "documented": None,
        "observed": "boolean",
        "rule": None,
        "suggestion": "add `gift_wrap: bool | None = None` to OrderConfirmedEvent",
        "example": {
            "ClientId": "integer",
            "ApplicationId": "integer",
            "ClientOrderRef": "string",
            "OrderId": "integer",
            "OrderNo": "string",
            "Source": "string",
            "GiftWrap": "boolean",
        },
        "quarantined": False,
        "first_seen_at": "2026-01-01T00:00:00.000000Z",
        "source": {"topic": "norce.events.order", "partition": 3, "offset": 41, "event_id": "e1"},
    }


def test_a_quarantined_body_that_lost_or_retyped_a_field_is_reported() -> None:
    body = {**CONFIRMED_BODY, "OrderNo": 7}
    del body["Source"]
    found = {report["field"]: report for report in reports(refused("orderconfirmedevent", body))}
    assert {field: report["kind"] for field, report in found.items()} == {"OrderNo": "retyped", "Source": "missing"}
    assert found["OrderNo"]["documented"] == {"types": ["string"], "required": True}
    assert all(report["quarantined"] for report in found.values())


def test_a_number_that_no_double_holds_is_reported_for_its_field() -> None:
    body = json.dumps({**PAYMENT_BODY, "Amount": 0}).replace(" 0}", " 66.66666666666666666667}").encode()
    found = the_one(refused("OrderPaymentReceivedEvent", body, "inexact_number", "Amount"))
    assert (found["kind"], found["field"], found["rule"]) == ("refused", "Amount", "inexact_number")


@pytest.mark.parametrize(
    "other",
    [
        refused("OrderConfirmedEvent", b"{", "not_json"),
        refused("OrderConfirmedEvent", b'{"A": 1, "A": 2}', "duplicate_key"),
        refused("OrderConfirmedEvent, OrderReceivedEvent", {"A": 1}, "contradictory_event_type"),
        refused("", {"A": 1}, "missing_event_type"),
        SimpleNamespace(**{**vars(record(CONFIRMED, {"A": 1})), "headers": []}),
        SimpleNamespace(**{**vars(record(CONFIRMED, {"A": 1})), "value": None}),
        SimpleNamespace(**{**vars(record(CONFIRMED, {"A": 1})), "value": b"\xff"}),
    ],
)
def test_what_is_no_event_of_norces_is_no_drift_and_stops_nothing(other: Any) -> None:
    assert the_one(other, record(CONFIRMED, {**CONFIRMED_BODY, "GiftWrap": 1}))["field"] == "GiftWrap"


def test_an_event_type_that_the_catalogue_lacks_is_one_report_with_what_to_do() -> None:
    found = reports(*[refused("OrderFrozenEvent", {"A": n, "B": "planted"}, "unknown_event_type") for n in range(3)])
    (report,) = found
    assert (report["event_type"], report["kind"], report["field"]) == ("OrderFrozenEvent", "unknown_type", "*")
    assert report["example"] == {"A": "integer", "B": "string"}
    assert report["quarantined"] is True
    assert 'free_form("OrderFrozenEvent")' in report["suggestion"]


def test_a_name_close_to_a_known_event_type_is_taken_for_a_mistyped_url() -> None:
    found = the_one(refused("OrderRecievedEvent", RECEIVED_BODY, "unknown_event_type"))
    assert "correct the webhook's URL if it means OrderReceivedEvent" in found["suggestion"]


def test_names_that_are_no_names_of_event_types_are_one_report_and_not_repeated() -> None:
    odd = ["anna@example.com", "Order Frozen", "", "x" * 65, "\xe5"]
    found = the_one(*[refused(name, b"{", "unknown_event_type") for name in odd])
    assert (found["event_type"], found["example"]) == ("*", "any")
    assert "anna" not in json.dumps(found)


def test_unknown_event_types_share_the_limit_of_one_type() -> None:
    seen = step([refused(f"New{n}Event", {}, "unknown_event_type") for n in range(9)])
    assert len(seen.reports) == 9
    assert {event_type_of(key) for key in seen.reports} == {"unknown"}


def test_a_field_that_stops_is_reported_from_its_window() -> None:
    with_it, without = {**RECEIVED_BODY, "Email": "test@example.com"}, RECEIVED_BODY
    first = step([record(RECEIVED, with_it, offset=n) for n in range(4)])
    assert first.reports == {}
    second = step([record(RECEIVED, without, offset=n) for n in range(4, 6)], first.windows)
    (report,) = second.reports.values()
    assert (report.deviation.kind, report.deviation.field) == ("stopped", "Email")
    again = step([record(RECEIVED, without, offset=n) for n in range(4, 6)], second.windows)
    assert (again.reports, again.windows) == ({}, {})


def test_a_null_is_not_a_value_that_is_sent() -> None:
    bodies = [{**RECEIVED_BODY, "Email": "a"}] * 4 + [{**RECEIVED_BODY, "Email": None}] * 2
    found = the_one(*[record(RECEIVED, body, offset=n) for n, body in enumerate(bodies)])
    assert (found["kind"], found["field"]) == ("stopped", "Email")


def test_bodies_in_quarantine_are_not_part_of_a_window() -> None:
    bodies = [record(RECEIVED, {**RECEIVED_BODY, "Email": "a"}, offset=n) for n in range(6)]
    bodies += [refused("OrderReceivedEvent", {**RECEIVED_BODY, "Source": 1}, offset=n) for n in range(6, 10)]
    assert {report["kind"] for report in reports(*bodies)} == {"retyped"}


@given(st.data())
def test_the_keys_of_the_reports_depend_neither_on_the_order_of_records_nor_on_repeats(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(drifted, max_size=5))
    again = [*data.draw(st.permutations(bodies)), *bodies]
    assert _keys(bodies) == _keys(again)


def _keys(bodies: list[bytes]) -> set[str]:
    """Without those that a field has stopped: they are about the order, so they depend on it."""
    found = step([record(CONFIRMED, body, offset=n) for n, body in enumerate(bodies)]).reports
    return {key for key, report in found.items() if report.deviation.kind != "stopped"}


PLANTED = "planted"
planted = st.recursive(
    st.just(PLANTED) | st.just(f"{PLANTED}@example.com") | st.just(70123456789) | st.just(70123456789.5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([f"{PLANTED}@example.com", "70123456789", "Code"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(st.sampled_from([*CONFIRMED_BODY, "Email", "CellPhone", "New", f"{PLANTED} x"]), planted),
    st.booleans(),
)
def test_no_value_of_a_body_is_ever_in_a_report_a_window_or_a_suggestion(body: dict[str, Any], refuse: bool) -> None:
    whole = {**CONFIRMED_BODY, **body}
    seen = step([refused("OrderConfirmedEvent", whole) if refuse else record(CONFIRMED, whole)])
    everything = [_text(report) for report in seen.reports.values()]
    everything += [repr(window) for window in seen.windows.values()]
    assert all(PLANTED not in text and "70123456789" not in text for text in everything)


def _text(report: Report) -> str:
    return f"{report.key} {report.encode().decode()} {report!r}"


def test_an_unknown_word_is_not_repeated() -> None:
    body = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 3, "State": PLANTED}
    assert PLANTED not in json.dumps(reports(refused(INVOICE.name, body)))


def test_a_key_goes_to_the_partition_that_every_kafka_client_chooses() -> None:
    # murmur2 of Kafka's own tests: "21" -> -973932308
    assert home(b"21", 1000) == (-973932308 & 0x7FFFFFFF) % 1000
