"""One order from its placing to its delivery, with the whole record that comes of it, written by hand."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest

from pipeline.domain import Arrival, EnrichedOrder, changed, enriched, order_view
from tests.domain.events import KEY, MINUTE, SECOND, arrival, failure, payment, received, state_of, status, view_of

STATUS_BODY = {
    "ClientId": 1,
    "ApplicationId": 2,
    "ClientOrderRef": "1001",
    "OrderId": 9007199254740993,
    "Source": "WEB",
    "FirstName": "Test",
}


def life() -> list[Arrival]:
    """In the order in which it was received, which is not the order in which it happened."""
    base = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "1001"}
    paid = {**base, "ErpOrderNo": "ERP-1", "PaymentMethodCode": "CARD", "PaymentRef": "psp-1"}
    partly = {**STATUS_BODY, "OrderNo": "ERP-1"}
    pickup = {**partly, "DropPointCode": "STORE-7"}
    failed = {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 3, "BasketId": 1001, "ErrorMessage": "card expired"}
    return [
        arrival("OrderConfirmedEvent", {**STATUS_BODY, "OrderNo": "1001"}, 0, "id-01"),
        arrival("OrderReceivedEvent", {**base, "Source": "WEB", "Email": "test@example.com"}, 1 * SECOND, "id-02"),
        arrival("OrderPaymentReceivedEvent", {**paid, "PaymentCode": "77", "Amount": 249.5}, 2 * SECOND, "id-03"),
        arrival(
            "OrderPaymentReceivedEvent",
            {**paid, "PaymentCode": "77", "Amount": 249.5, "CurrencyCode": "SEK"},
            3 * SECOND,
            "id-04",
        ),
        arrival(
            "OrderPaymentReceivedEvent",
            {**base, "ErpOrderNo": "ERP-1", "PaymentCode": "78", "Amount": 0.1, "CurrencyCode": "SEK"},
            4 * SECOND,
            "id-05",
        ),
        arrival("OrderPartlyDeliveredEvent", partly, 10 * MINUTE, "id-06"),
        arrival("OrderPartlyDeliveredEvent", partly, 10 * MINUTE + 5 * SECOND, "id-07"),
        arrival("OrderPartlyDeliveredEvent", partly, 20 * MINUTE, "id-08"),
        arrival("OrderReadyForPickupEvent", pickup, 21 * MINUTE + 1, "id-09"),
        arrival("SubscriptionFailedEvent", failed, 22 * MINUTE, "id-10"),
    ]


RECORD: dict[str, Any] = {
    "client_id": 1,
    "application_id": 2,
    "client_order_ref": "1001",
    "order_id": 9007199254740993,
    "order_no": "ERP-1",
    "source": "WEB",
    "status": "ready_for_pickup",
    "statuses": ["received", "confirmed", "partly_delivered", "ready_for_pickup"],
    "payment_state": "payment_received",
    "payments": [
        {
            "payment_code": "77",
            "payment_method": "CARD",
            "payment_ref": "psp-1",
            "amount": "249.50",
            "currency": "SEK",
            "erp_order_no": "ERP-1",
            "first_received_at": "2026-01-01T00:00:02.000000Z",
        },
        {
            "payment_code": "78",
            "payment_method": None,
            "payment_ref": None,
            "amount": "0.10",
            "currency": "SEK",
            "erp_order_no": "ERP-1",
            "first_received_at": "2026-01-01T00:00:04.000000Z",
        },
    ],
    "paid": {"SEK": "249.60"},
    "payments_without_amount": 0,
    "payments_without_currency": 0,
    "subscription_failures": [
        {
            "subscription_id": 3,
            "recurring_order_id": None,
            "recurring_order_schedule_id": None,
            "basket_id": 1001,
            "error_message": "card expired",
            "occurrences": 1,
            "first_received_at": "2026-01-01T00:22:00.000000Z",
            "last_received_at": "2026-01-01T00:22:00.000000Z",
        }
    ],
    "drop_points": ["STORE-7"],
    "conflicts": [],
    "timeline": [
        {
            "event_type": event_type,
            "received_at": f"2026-01-01T00:{received_at}Z",
            "event_id": event_id,
            "occurrence": occurrence,
        }
        for event_type, received_at, event_id, occurrence in [
            ("OrderConfirmedEvent", "00:00.000000", "id-01", 1),
            ("OrderReceivedEvent", "00:01.000000", "id-02", 1),
            ("OrderPaymentReceivedEvent", "00:02.000000", "id-03", 1),
            ("OrderPaymentReceivedEvent", "00:03.000000", "id-04", 1),
            ("OrderPaymentReceivedEvent", "00:04.000000", "id-05", 1),
            ("OrderPartlyDeliveredEvent", "10:00.000000", "id-06", 1),
            ("OrderPartlyDeliveredEvent", "20:00.000000", "id-08", 2),
            ("OrderReadyForPickupEvent", "21:00.000001", "id-09", 1),
            ("SubscriptionFailedEvent", "22:00.000000", "id-10", 1),
        ]
    ],
    "timeline_omitted": 0,
    "first_received_at": "2026-01-01T00:00:00.000000Z",
    "last_changed_at": "2026-01-01T00:22:00.000000Z",
    "version": 10,
    "totals": None,
    "lines": [],
    "lines_omitted": 0,
    "looked_up_at": None,
    "lookup_number": 0,
}


def test_an_order_of_many_events_makes_exactly_this_record() -> None:
    record = json.loads(enriched(order_view(KEY, state_of(life()))))
    assert uuid.UUID(record.pop("id")).version == 5
    assert record == RECORD
    assert list(record) == list(RECORD)


def test_a_record_is_the_same_bytes_whatever_the_order_of_events() -> None:
    assert enriched(view_of(*life())) == enriched(view_of(*reversed(life())))


def test_a_record_has_an_id_of_its_content() -> None:
    def record_id(*events: Arrival) -> str:
        return str(json.loads(enriched(view_of(*events)))["id"])

    assert record_id(*life()) == record_id(*life())
    assert record_id(*life()) != record_id(*life()[:-1])


def test_a_record_fits_the_published_type() -> None:
    data = enriched(order_view(KEY, state_of(life())))
    decoded = msgspec.json.decode(data, type=EnrichedOrder)
    assert set(msgspec.to_builtins(decoded)) == set(json.loads(data))
    assert decoded.paid == {"SEK": "249.60"}


def test_events_at_the_same_microsecond_stand_in_the_order_of_a_life_cycle() -> None:
    timeline = view_of(failure(), status("Cancelled"), status("Confirmed"), payment(), received()).timeline
    assert [entry.event_type for entry in timeline] == [
        "OrderReceivedEvent",
        "OrderPaymentReceivedEvent",
        "OrderConfirmedEvent",
        "OrderCancelledEvent",
        "SubscriptionFailedEvent",
    ]


@pytest.mark.parametrize("number", range(1, 10))
def test_every_new_fact_changes_the_view(number: int) -> None:
    events = [event for event in life() if event.event_id != "id-07"]
    before, after = view_of(*events[: number - 1]) if number > 1 else None, view_of(*events[:number])
    assert changed(before, after)


def test_a_redelivery_changes_the_version_and_nothing_visible() -> None:
    first = life()
    again = [
        Arrival(first[1].event_type, first[1].body, "id-90", first[1].received_at + MINUTE),
        Arrival(first[5].event_type, first[5].body, "id-91", first[5].received_at + 9 * SECOND),
    ]
    before, after = view_of(*first), view_of(*first, *again)
    assert after.version == before.version + 2
    assert not changed(before, after)
