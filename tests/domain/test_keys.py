"""Keys: which state an event belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import (
    CompanyKey,
    CustomerKey,
    InvoiceKey,
    JobKey,
    Key,
    MalformedKey,
    MisplacedEvent,
    OrderKey,
    ProductKey,
    SubscriptionKey,
    fold,
    key_of,
)
from pipeline.domain.keys import belongs
from pipeline.domain.limits import MAX_TEXT
from pipeline.events import EVENT_TYPES
from pipeline.events.models import SubscriptionFailedEvent
from tests.domain.events import KEY, arrival, failure, received

int32 = st.integers(-(2**31), 2**31 - 1)
references = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_TEXT)


@given(int32, int32, references)
def test_an_order_key_reads_back_whatever_the_reference_is(client: int, application: int, reference: str) -> None:
    key = OrderKey(client, application, reference)
    assert OrderKey.parse(key.text) == key


@given(int32, st.none() | int32, st.none() | int32, st.none() | int32)
def test_every_subscription_failure_belongs_under_the_key_that_its_partition_key_reads_as(
    client: int, subscription: int | None, recurring: int | None, basket: int | None
) -> None:
    event = SubscriptionFailedEvent.model_validate(
        {
            "ClientId": client,
            "ApplicationId": 2,
            "SubscriptionId": subscription,
            "RecurringOrderId": recurring,
            "BasketId": basket,
        }
    )
    key = key_of("SubscriptionFailedEvent", EVENT_TYPES["SubscriptionFailedEvent"].partition_key(event))
    assert isinstance(key, SubscriptionKey if basket is None else OrderKey)
    assert belongs(key, event)


@pytest.mark.parametrize(
    ("event_type", "text", "key"),
    [
        ("OrderReceivedEvent", "1:2:a:b", OrderKey(1, 2, "a:b")),
        ("OrderReceivedEvent", "1:2:subscription=5", OrderKey(1, 2, "subscription=5")),
        ("OrderPaymentReceivedEvent", "1:2:3", OrderKey(1, 2, "3")),
        ("SubscriptionFailedEvent", "1:2:3", OrderKey(1, 2, "3")),
        ("SubscriptionFailedEvent", "1:2:subscription=5", SubscriptionKey(1, 2, "subscription=5")),
        ("SubscriptionFailedEvent", "1:2:recurring=-5", SubscriptionKey(1, 2, "recurring=-5")),
        ("SubscriptionFailedEvent", "1:2:unidentified", SubscriptionKey(1, 2, "unidentified")),
        ("InvoiceCaptureCompletedEvent", "1:6", InvoiceKey(1, 6)),
        ("SkuPriceChangedNotification", "1:a:b", ProductKey(1, "a:b")),
        ("SupplierSkuPriceChangedNotification", "1:a:b", ProductKey(1, "a:b")),
        ("CustomerChangedNotification", "1:customer=7", CustomerKey(1, 7)),
        ("CompanyChangedNotification", "1:company=7", CompanyKey(1, 7)),
        ("JobCompletedEvent", "1:5", JobKey(1, 5)),
    ],
)
def test_the_event_type_decides_what_a_key_is_the_key_of(event_type: str, text: str, key: Key) -> None:
    assert key_of(event_type, text) == key
    assert key.text == text


@pytest.mark.parametrize(
    "event_type", ["ExternalOrderReceivedEvent", "ExportDeliveredEvent", "SkuStockChangedNotification"]
)
def test_no_state_is_kept_of_event_types_that_are_known_by_name_only(event_type: str) -> None:
    assert key_of(event_type, "1") is None


@pytest.mark.parametrize(
    ("event_type", "text"),
    [
        ("OrderReceivedEvent", ""),
        ("OrderReceivedEvent", "1:2"),
        ("OrderReceivedEvent", "1:2:"),
        ("OrderReceivedEvent", "01:2:3"),
        ("OrderReceivedEvent", "+1:2:3"),
        ("OrderReceivedEvent", "-0:2:3"),
        ("OrderReceivedEvent", "1: 2:3"),
        ("OrderReceivedEvent", "١:2:3"),  # noqa: RUF001  a digit, but not one of ours
        ("OrderReceivedEvent", "1:2:" + "x" * (MAX_TEXT + 1)),
        ("OrderReceivedEvent", "9" * 5000 + ":2:3"),
        ("SubscriptionFailedEvent", "1:2:basket=3"),
        ("SubscriptionFailedEvent", "1:2:subscription="),
        ("InvoiceCaptureCompletedEvent", "1:2:3"),
        ("SkuChangedNotification", "1:"),
        ("SkuChangedNotification", "1:" + "x" * (MAX_TEXT + 1)),
        ("CustomerChangedNotification", "1:company=7"),
        ("CompanyChangedNotification", "1:customer=7"),
        ("JobCompletedEvent", "1:x"),
    ],
)
def test_a_text_that_is_no_key_is_refused_by_name(event_type: str, text: str) -> None:
    with pytest.raises(MalformedKey):
        key_of(event_type, text)


def test_an_event_of_another_order_is_refused() -> None:
    with pytest.raises(MisplacedEvent):
        fold(KEY, None, [received(ClientOrderRef="1002")])


def test_a_subscription_failure_without_basket_is_refused_by_the_order_that_is_called_like_it() -> None:
    with pytest.raises(MisplacedEvent):
        fold(OrderKey(1, 2, "subscription=3"), None, [failure(BasketId=None)])
    order = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "subscription=3", "Source": "POS"}
    with pytest.raises(MisplacedEvent):
        fold(SubscriptionKey(1, 2, "subscription=3"), None, [arrival("OrderReceivedEvent", order)])
