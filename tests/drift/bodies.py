"""Bodies and records as the connector leaves them on Kafka."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from pipeline.events import EVENT_TYPES, EventSpec
from pipeline.topics import QUARANTINE

CONFIRMED = EVENT_TYPES["OrderConfirmedEvent"]
RECEIVED = EVENT_TYPES["OrderReceivedEvent"]
PAYMENT = EVENT_TYPES["OrderPaymentReceivedEvent"]
INVOICE = EVENT_TYPES["InvoiceCaptureCompletedEvent"]
EXPORT = EVENT_TYPES["ExportDeliveredEvent"]

ORDER: dict[str, Any] = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77"}
CONFIRMED_BODY: dict[str, Any] = {**ORDER, "OrderId": 5, "OrderNo": "SO77", "Source": "WEB"}
RECEIVED_BODY: dict[str, Any] = {**ORDER, "Source": "WEB"}
PAYMENT_BODY: dict[str, Any] = {**ORDER, "ErpOrderNo": "SO77", "PaymentCode": "1"}

names = st.sampled_from(["GiftWrap", "CellPhone", "OrderNo", "Zip code", "a@example.com", "Source"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aå @1", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
"""JSON values; few names, so that bodies have some in common."""

drifted = st.dictionaries(names, values, max_size=4).map(lambda more: encode({**CONFIRMED_BODY, **more}))
"""Bodies of an order confirmation, some as documented and most not."""


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


def headers(event_type: str, **more: str) -> list[tuple[str, bytes]]:
    found = {"ce_id": "e1", "ce_type": f"io.norce.{event_type}", "ce_time": "2026-01-01T00:00:00.000000Z", **more}
    return [(name, value.encode()) for name, value in found.items()]


def record(spec: EventSpec, body: Any, offset: int = 0, partition: int = 0) -> SimpleNamespace:
    """An event's record."""
    return SimpleNamespace(
        topic=spec.topic,
        partition=partition,
        offset=offset,
        key=b"k",
        value=body if isinstance(body, bytes) else encode(body),
        headers=headers(spec.name),
    )


def refused(
    requested: str, body: Any, reason: str = "wrong_fields", where: str = "", offset: int = 0
) -> SimpleNamespace:
    """A record in quarantine."""
    return SimpleNamespace(
        topic=QUARANTINE,
        partition=0,
        offset=offset,
        key=None,
        value=body if isinstance(body, bytes) else encode(body),
        headers=headers("quarantined", norce_reason=reason, norce_where=where, norce_event_type=requested),
    )
