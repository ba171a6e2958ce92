"""Events of every group but orders: one product with its suppliers, one customer, one company, one job and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from pipeline.domain import (
    KINDS,
    Arrival,
    CompanyKey,
    CustomerKey,
    InvoiceKey,
    JobKey,
    Key,
    ProductKey,
    State,
    SubscriptionKey,
    fold,
)
from tests.domain.events import SECOND, arrival

PRODUCT = ProductKey(1, "A:1")
CUSTOMER, COMPANY, JOB = CustomerKey(1, 7), CompanyKey(1, 7), JobKey(1, 5)
SUBSCRIPTION, INVOICE = SubscriptionKey(1, 2, "subscription=3"), InvoiceKey(1, 6)


def price(at: int = 0, **fields: Any) -> Arrival:
    body = {"ClientId": 1, "PartNo": "A:1", "PricelistId": 1, "PriceSaleValue": 99.5, "QuantityBreak": 1.0}
    return arrival("SkuPriceChangedNotification", {**body, **fields}, at)


def cost(at: int = 0, **fields: Any) -> Arrival:
    body = {"ClientId": 1, "PartNo": "A:1", "SupplierId": 9, "PricelistId": 4, "PriceSaleValue": 60}
    return arrival("SupplierSkuPriceChangedNotification", {**body, **fields}, at)


def stock(at: int = 0, **fields: Any) -> Arrival:
    body = {"ClientId": 1, "PartNo": "A:1", "WarehouseId": 1, "LocationId": 2, "OnHandValue": 5.0, "MinimumValue": 5}
    return arrival("SkuOnHandBreakPointNotification", {**body, **fields}, at)


def entity(event_type: str, at: int = 0, entity: str = "tTable", **fields: Any) -> Arrival:
    """A change of a table, such as ``entity("SkuChangedNotification")``."""
    owners: dict[str, dict[str, Any]] = {
        "Company": {"CompanyId": 7},
        "Customer": {"CustomerId": 7},
        "Supplier": {"PartNo": "A:1", "SupplierId": 9},
    }
    names = next((ids for name, ids in owners.items() if event_type.startswith(name)), {"PartNo": "A:1"})
    return arrival(event_type, {"ClientId": 1, **names, "EntityChanged": entity, **fields}, at)


def job(status: int, at: int = 0, **fields: Any) -> Arrival:
    return arrival("JobCompletedEvent", {"ClientId": 1, "JobId": 5, "StatusId": status, **fields}, at)


def capture(state: str, at: int = 0, **fields: Any) -> Arrival:
    body = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 6, "State": state}
    return arrival("InvoiceCaptureCompletedEvent", {**body, **fields}, at)


def state_of(key: Key, *events: Arrival, before: State | None = None) -> State:
    return fold(key, before, events).state


def view_of(key: Key, *events: Arrival) -> Any:
    return KINDS[type(key)].view(key, state_of(key, *events))


_APPLICATION = {"ApplicationId": st.sampled_from([None, 2, 3])}
_ENTITY = {"EntityChanged": st.sampled_from(["tTable", "tClientProductSkuCulture"]), **_APPLICATION}
_MONEY = st.sampled_from([1, 1.10, 60, 99.5, 0, -1])
_BREAK = st.sampled_from([None, 1, 10.5])
_SKU = {"ClientId": st.just(1), "PartNo": st.just("A:1"), **_APPLICATION}
_SUPPLIER = {**_SKU, "SupplierId": st.sampled_from([8, 9])}


def _kind(event_type: str, fields: Mapping[str, Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(event_type), st.fixed_dictionaries(dict(fields)))


_SAID: Mapping[Key, st.SearchStrategy[tuple[str, dict[str, Any]]]] = {
    PRODUCT: st.one_of(
        _kind(
            "SkuPriceChangedNotification",
            {**_SKU, "PricelistId": st.sampled_from([1, 2]), "PriceSaleValue": _MONEY, "QuantityBreak": _BREAK},
        ),
        _kind(
            "SkuOnHandBreakPointNotification",
            {
                **_SKU,
                "WarehouseId": st.just(1),
                "LocationId": st.sampled_from([1, 2]),
                "OnHandValue": st.sampled_from([0, 5, 9.5]),
                "MinimumValue": st.just(5),
            },
        ),
        _kind("SkuChangedNotification", {**_SKU, **_ENTITY}),
        _kind("TranslationRequestedNotification", {**_SKU, **_ENTITY}),
        _kind(
            "SupplierSkuPriceChangedNotification",
            {**_SUPPLIER, "PricelistId": st.sampled_from([None, 4]), "PriceSaleValue": st.none() | _MONEY},
        ),
        _kind("SupplierSkuOnHandChangedNotification", {**_SUPPLIER, **_ENTITY}),
        _kind("SupplierSkuChangedNotification", {**_SUPPLIER, **_ENTITY}),
    ),
    CUSTOMER: _kind("CustomerChangedNotification", {"ClientId": st.just(1), "CustomerId": st.just(7), **_ENTITY}),
    COMPANY: _kind("CompanyChangedNotification", {"ClientId": st.just(1), "CompanyId": st.just(7), **_ENTITY}),
    JOB: _kind(
        "JobCompletedEvent",
        {"ClientId": st.just(1), "JobId": st.just(5), "StatusId": st.integers(1, 6), **_APPLICATION},
    ),
    INVOICE: _kind(
        "InvoiceCaptureCompletedEvent",
        {
            "ClientId": st.just(1),
            "ApplicationId": st.sampled_from([2, 3]),
            "CapturedInvoiceId": st.just(6),
            "State": st.sampled_from(["Captured", "Error"]),
        },
    ),
    SUBSCRIPTION: _kind(
        "SubscriptionFailedEvent",
        {
            "ClientId": st.just(1),
            "ApplicationId": st.just(2),
            "SubscriptionId": st.just(3),
            "RecurringOrderId": st.sampled_from([None, 4]),
            "BasketId": st.sampled_from([None, 1001, 1002]),
            "ErrorMessage": st.sampled_from([None, "card expired"]),
        },
    ),
}
GROUPS: tuple[Key, ...] = tuple(_SAID)

Sequence = tuple[Key, list[Arrival]]


@st.composite
def group_sequences(draw: st.DrawFn, max_size: int = 14, keys: tuple[Key, ...] = GROUPS) -> Sequence:
    """Events of one thing of any group, some delivered again under the same id."""
    key = draw(st.sampled_from(keys))
    times = st.integers(0, 12).map(lambda step: step * 20 * SECOND)
    said = draw(st.lists(st.tuples(_SAID[key], times), min_size=1, max_size=max_size))
    events = [arrival(name, body, at, f"event-{n:02}") for n, ((name, body), at) in enumerate(said)]
    return key, events + draw(st.lists(st.sampled_from(events), max_size=3))
