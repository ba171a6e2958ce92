"""The table of event types: topics, keys, deduplication, personal data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from pipeline.events import EVENT_TYPES, TOPICS, Deduplication, find, free_form, order_key
from pipeline.events.models import OrderReceivedEvent, SubscriptionFailedEvent
from tests.events.schema import text

ORDER = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "a:b"}
STATUS = {**ORDER, "OrderId": 3, "OrderNo": "4", "Source": "WEB"}
INVOICE = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 6, "State": "Error"}
ENTITY = {"ClientId": 1, "EntityChanged": "tTable"}

KEYS: list[tuple[str, dict[str, Any], str]] = [
    ("OrderReceivedEvent", {**ORDER, "Source": "WEB"}, "1:2:a:b"),
    ("OrderConfirmedEvent", STATUS, "1:2:a:b"),
    ("OrderCancelledEvent", STATUS, "1:2:a:b"),
    ("OrderDeliveredEvent", STATUS, "1:2:a:b"),
    ("OrderPartlyDeliveredEvent", STATUS, "1:2:a:b"),
    ("OrderReadyForPickupEvent", STATUS, "1:2:a:b"),
    ("OrderPaymentReceivedEvent", {**ORDER, "ErpOrderNo": "4", "PaymentCode": "p"}, "1:2:a:b"),
    ("SubscriptionFailedEvent", {"ClientId": 1, "ApplicationId": 2, "BasketId": 77, "SubscriptionId": 8}, "1:2:77"),
    ("SubscriptionFailedEvent", {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 8}, "1:2:subscription=8"),
    ("SubscriptionFailedEvent", {"ClientId": 1, "ApplicationId": 2, "RecurringOrderId": 9}, "1:2:recurring=9"),
    ("SubscriptionFailedEvent", {"ClientId": 1, "ApplicationId": 2}, "1:2:unidentified"),
    (
        "InvoiceCaptureCompletedEvent",
        {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 6, "State": "Error"},
        "1:6",
    ),
    ("CompanyChangedNotification", {**ENTITY, "CompanyId": 7}, "1:company=7"),
    ("CustomerChangedNotification", {**ENTITY, "CustomerId": 7}, "1:customer=7"),
    ("SkuChangedNotification", {**ENTITY, "PartNo": "p"}, "1:p"),
    ("TranslationRequestedNotification", {**ENTITY, "PartNo": "p"}, "1:p"),
    ("SupplierSkuChangedNotification", {**ENTITY, "SupplierId": 9, "PartNo": "p"}, "1:p"),
    ("SupplierSkuOnHandChangedNotification", {**ENTITY, "SupplierId": 9, "PartNo": "p"}, "1:p"),
    ("SupplierSkuPriceChangedNotification", {"ClientId": 1, "SupplierId": 9, "PartNo": "p"}, "1:p"),
    ("JobCompletedEvent", {"ClientId": 1, "JobId": 5, "StatusId": 2}, "1:5"),
    ("ExportDeliveredEvent", {"ClientId": 1}, "1"),
    ("ExternalOrderReceivedEvent", {"ClientId": 1}, "1"),
    ("SkuStockChangedNotification", {"ClientId": 1}, "1"),
]


@pytest.mark.parametrize(("name", "body", "key"), KEYS)
def test_an_event_is_keyed_by_the_thing_it_is_about(name: str, body: dict[str, Any], key: str) -> None:
    spec = EVENT_TYPES[name]
    assert spec.partition_key(spec.model.model_validate(body)) == key


def test_every_event_type_has_one_of_the_eight_topics() -> None:
    streams = ["order", "payment", "subscription", "invoice", "customer", "product", "supplier", "system"]
    assert set(TOPICS) == {f"norce.events.{stream}" for stream in streams}
    assert {spec.topic for spec in EVENT_TYPES.values()} == set(TOPICS)


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("OrderReceivedEvent", "norce.events.order"),
        ("OrderPaymentReceivedEvent", "norce.events.payment"),
        ("SubscriptionFailedEvent", "norce.events.subscription"),
        ("InvoiceCaptureCompletedEvent", "norce.events.invoice"),
        ("CompanyChangedNotification", "norce.events.customer"),
        ("SkuPriceChangedNotification", "norce.events.product"),
        ("SupplierSkuPriceChangedNotification", "norce.events.supplier"),
        ("JobCompletedEvent", "norce.events.system"),
        ("ExternalOrderReceivedEvent", "norce.events.order"),
        ("ExportDeliveredEvent", "norce.events.system"),
    ],
)
def test_an_event_type_goes_to_the_topic_of_its_stream(name: str, topic: str) -> None:
    assert EVENT_TYPES[name].topic == topic


@given(text, text)
def test_two_orders_never_share_a_key(one: str, other: str) -> None:
    assert (order_key(1, 2, one) == order_key(1, 2, other)) == (one == other)


def test_a_failed_renewal_with_a_basket_joins_the_order_of_that_basket() -> None:
    order = OrderReceivedEvent.model_validate({**ORDER, "ClientOrderRef": "77", "Source": "WEB"})
    failure = SubscriptionFailedEvent.model_validate({"ClientId": 1, "ApplicationId": 2, "BasketId": 77})
    order_spec, failure_spec = EVENT_TYPES["OrderReceivedEvent"], EVENT_TYPES["SubscriptionFailedEvent"]
    assert order_spec.partition_key(order) == failure_spec.partition_key(failure)


@pytest.mark.parametrize("name", ["orderreceivedevent", "ORDERRECEIVEDEVENT", "OrderReceivedEvent"])
def test_a_type_is_found_in_any_case(name: str) -> None:
    assert find(name) is EVENT_TYPES["OrderReceivedEvent"]


@pytest.mark.parametrize("name", ["", "OrderReceived", "OrderReceivedEvent ", "Örder"])
def test_an_unknown_type_is_not_found(name: str) -> None:
    assert find(name) is None


def test_facts_that_may_repeat_with_the_same_bytes_are_never_told_apart_by_them() -> None:
    policy = {name: spec.deduplication for name, spec in EVENT_TYPES.items()}
    assert policy["OrderPartlyDeliveredEvent"] is Deduplication.REPEATABLE
    assert policy["SubscriptionFailedEvent"] is Deduplication.REPEATABLE
    assert policy["OrderConfirmedEvent"] is Deduplication.ONCE
    assert policy["OrderPaymentReceivedEvent"] is Deduplication.IDENTITY


def test_the_identity_of_a_payment_is_its_code() -> None:
    spec = EVENT_TYPES["OrderPaymentReceivedEvent"]
    event = spec.model.model_validate({**ORDER, "ErpOrderNo": "4", "PaymentCode": "p"})
    assert spec.identity_of(event) == (1, "a:b", "p")


def test_contact_data_is_marked_as_personal_in_every_type_that_has_it() -> None:
    contact = {"email": "email", "cell_phone": "phone", "first_name": "name", "last_name": "name"}
    for spec in EVENT_TYPES.values():
        present = {name: kind for name, kind in contact.items() if name in spec.model.model_fields}
        assert spec.personal_data == present, spec.name


def test_the_repr_of_an_event_does_not_show_personal_data() -> None:
    event = OrderReceivedEvent.model_validate(
        {**ORDER, "Source": "WEB", "Email": "test@example.com", "CellPhone": "0700000000", "FirstName": "Test"}
    )
    assert event.email == "test@example.com"
    assert not any(value in repr(event) for value in ("test@example.com", "0700000000", "Test"))


def test_an_event_cannot_be_changed() -> None:
    event = OrderReceivedEvent.model_validate({**ORDER, "Source": "WEB"})
    with pytest.raises(ValidationError):
        event.client_id = 2  # type: ignore[misc]


def test_a_free_form_type_needs_only_the_tenant() -> None:
    spec = free_form("SomethingNewEvent")
    event = spec.model.model_validate({"ClientId": 3, "Anything": {"goes": True}})
    assert (spec.topic, spec.partition_key(event), spec.documented) == ("norce.events.system", "3", False)
