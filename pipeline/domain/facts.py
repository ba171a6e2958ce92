"""Facts: what an event says, without who said it when.

A fact holds the documented fields of the body that are not personal data. The fields that the key already says
(``client_id``, ``application_id`` and ``client_order_ref``; an invoice's key names no application) are left out, and so
are fields that Norce does not document. Two bodies that differ only in what is left out are the same fact.

The classes are also the stored layout: facts are stored as arrays, so the order of the fields is part of the layout
and may not change without a new layout version (see ``codec``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from pipeline.domain.amounts import plain
from pipeline.domain.limits import MAX_ERROR_MESSAGE, MAX_TEXT
from pipeline.events import EVENT_TYPES, Deduplication, NorceEvent


class Fact(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all facts. Facts are equal when their event type and all their fields are."""


class Received(Fact, frozen=True, tag="OrderReceivedEvent"):
    source: str


class NumberedFact(Fact, frozen=True):
    """What the events about an order that Norce has numbered have in common."""

    order_id: int
    order_no: str
    source: str


class Confirmed(NumberedFact, frozen=True, tag="OrderConfirmedEvent"):
    pass


class PartlyDelivered(NumberedFact, frozen=True, tag="OrderPartlyDeliveredEvent"):
    pass


class ReadyForPickup(NumberedFact, frozen=True, tag="OrderReadyForPickupEvent"):
    drop_point_code: str | None


class Delivered(NumberedFact, frozen=True, tag="OrderDeliveredEvent"):
    pass


class Cancelled(NumberedFact, frozen=True, tag="OrderCancelledEvent"):
    pass


class PaymentReceived(Fact, frozen=True, tag="OrderPaymentReceivedEvent"):
    payment_code: str
    erp_order_no: str
    payment_method_code: str | None
    payment_ref: str | None
    amount: str | None
    """Text of ``amounts.plain``, so that 249.5 and 249.50 are one fact."""
    currency_code: str | None


class SubscriptionFailed(Fact, frozen=True, tag="SubscriptionFailedEvent"):
    subscription_id: int | None
    recurring_order_id: int | None
    recurring_order_schedule_id: int | None
    basket_id: int | None
    error_message: str | None
    """The first ``MAX_ERROR_MESSAGE`` characters."""


class InvoiceCapture(Fact, frozen=True, tag="InvoiceCaptureCompletedEvent"):
    application_id: int
    captured_invoice_id: int
    state: str


StatusFact = Received | Confirmed | PartlyDelivered | ReadyForPickup | Delivered | Cancelled
AnyFact = StatusFact | PaymentReceived | SubscriptionFailed | InvoiceCapture

# The order of a life cycle, which breaks ties between events received at the same microsecond.
_TYPES: tuple[type[AnyFact], ...] = (
    Received,
    PaymentReceived,
    Confirmed,
    PartlyDelivered,
    ReadyForPickup,
    Delivered,
    Cancelled,
    SubscriptionFailed,
    InvoiceCapture,
)

PLACE: Mapping[type[Fact], tuple[int, str]] = {
    kind: (rank, str(kind.__struct_config__.tag)) for rank, kind in enumerate(_TYPES)
}
"""Rank in a life cycle, and Norce's event type."""
FACT_TYPES: Mapping[str, type[AnyFact]] = {PLACE[kind][1]: kind for kind in _TYPES}
REPEATABLE: frozenset[type[Fact]] = frozenset(
    kind for kind in _TYPES if EVENT_TYPES[PLACE[kind][1]].deduplication is Deduplication.REPEATABLE
)
"""Facts that may happen again with the same fields; all others happened once, however often they are received."""


def fact_of(event: NorceEvent) -> AnyFact:
    """The fact that an event states.

    Raises:
        KeyError: no state is kept of this event type.
        ValueError: a field is longer than ``limits`` allows; the message names the field and not its value.
    """
    kind = FACT_TYPES[type(event).__name__]
    return kind(*[_stored(name, getattr(event, name)) for name in kind.__struct_fields__])


def _stored(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if name == "error_message":
            return value[:MAX_ERROR_MESSAGE]
        if len(value) > MAX_TEXT:
            raise ValueError(f"{name} has more than {MAX_TEXT} characters")
        return value
    return plain(value) if isinstance(value, Decimal) else value
