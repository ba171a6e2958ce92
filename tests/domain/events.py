"""Events to test with: one order of one shop, written as Norce would send them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from pipeline.domain import Arrival, OrderKey, OrderView, State, fold, order_view

ORDER = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "1001"}
STATUS = {**ORDER, "OrderId": 5, "OrderNo": "ERP-1", "Source": "WEB"}
PAYMENT = {**ORDER, "ErpOrderNo": "ERP-1", "PaymentCode": "P1", "Amount": 249.5, "CurrencyCode": "SEK"}
FAILURE = {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 3, "BasketId": 1001, "ErrorMessage": "card expired"}
KEY = OrderKey(1, 2, "1001")

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z"""

_numbers = itertools.count(1)


def arrival(event_type: str, body: dict[str, Any], at: int = 0, event_id: str | None = None) -> Arrival:
    """An event that is received ``at`` microseconds after ``START``, with an id of its own unless one is given."""
    return Arrival(event_type, json.dumps(body).encode(), event_id or f"event-{next(_numbers)}", START + at)


def received(at: int = 0, **fields: Any) -> Arrival:
    return arrival("OrderReceivedEvent", {**ORDER, "Source": "WEB", **fields}, at)


def status(name: str, at: int = 0, **fields: Any) -> Arrival:
    """``status("Confirmed")``, ``status("Cancelled")`` and so on."""
    return arrival(f"Order{name}Event", {**STATUS, **fields}, at)


def payment(at: int = 0, **fields: Any) -> Arrival:
    return arrival("OrderPaymentReceivedEvent", {**PAYMENT, **fields}, at)


def failure(at: int = 0, **fields: Any) -> Arrival:
    return arrival("SubscriptionFailedEvent", {**FAILURE, **fields}, at)


def state_of(arrivals: Iterable[Arrival], before: State | None = None) -> State:
    return fold(KEY, before, arrivals).state


def view_of(*arrivals: Arrival) -> OrderView:
    return order_view(KEY, state_of(arrivals))


# Few values each, so that events agree, contradict and repeat each other all the time.
_SOURCES = st.sampled_from(["WEB", "POS", ""])
_ORDER_NOS = st.sampled_from(["1001", "ERP-1", "ERP-2", ""])
_TEXTS = st.sampled_from([None, "", "A", "B"])
_AMOUNTS = st.sampled_from([None, 0, -1, 1, 1.10, 0.1, 0.2, 249.5, 12345678901.25, 1e-7])
_IGNORED = {"FirstName": st.sampled_from([None, "Test"]), "NewField": st.integers(0, 1)}
_STATUS_FIELDS = {"OrderId": st.sampled_from([5, 6]), "OrderNo": _ORDER_NOS, "Source": _SOURCES}


def _bodies(event_type: str, given: dict[str, Any], fields: dict[str, Any]) -> st.SearchStrategy[tuple[str, Any]]:
    constant = {name: st.just(value) for name, value in given.items()}
    return st.tuples(st.just(event_type), st.fixed_dictionaries({**constant, **fields}, optional=_IGNORED))


bodies: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    _bodies("OrderReceivedEvent", ORDER, {"Source": _SOURCES}),
    *[
        _bodies(f"Order{name}Event", ORDER, _STATUS_FIELDS)
        for name in ("Confirmed", "PartlyDelivered", "Delivered", "Cancelled")
    ],
    _bodies("OrderReadyForPickupEvent", ORDER, {**_STATUS_FIELDS, "DropPointCode": _TEXTS}),
    _bodies(
        "OrderPaymentReceivedEvent",
        ORDER,
        {
            "ErpOrderNo": _ORDER_NOS,
            "PaymentCode": st.sampled_from(["P1", "P2"]),
            "PaymentMethodCode": _TEXTS,
            "PaymentRef": _TEXTS,
            "Amount": _AMOUNTS,
            "CurrencyCode": st.sampled_from([None, "", "EUR", "SEK"]),
        },
    ),
    _bodies(
        "SubscriptionFailedEvent",
        {"ClientId": 1, "ApplicationId": 2, "BasketId": 1001},
        {"SubscriptionId": st.sampled_from([None, 3]), "ErrorMessage": _TEXTS},
    ),
)
"""Event type and body of any event of the order, valid and often contradictory."""

times = st.integers(0, 12).map(lambda step: step * 20 * SECOND)


@st.composite
def event_sequences(draw: st.DrawFn, max_size: int = 12) -> list[Arrival]:
    """Events of one order, some of them delivered again under the same id, some stated again under another."""
    said = draw(st.lists(st.tuples(bodies, times), min_size=1, max_size=max_size))
    events = [arrival(name, body, at, f"event-{n}") for n, ((name, body), at) in enumerate(said)]
    return events + draw(st.lists(st.sampled_from(events), max_size=3))
