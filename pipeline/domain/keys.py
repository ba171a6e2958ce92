"""The keys that state is kept under: the partition keys of the event catalogue, taken apart.

A subscription failure with a basket belongs to the basket's order, without one to a subscription of its own. The text
alone does not always tell which, because an order made outside Norce may be called anything: ``key_of`` decides it by
the event type, and orders, subscriptions and invoices are kept in tables of their own.
"""

from __future__ import annotations

import re
from typing import Self

import msgspec

from pipeline.domain.errors import MalformedKey
from pipeline.domain.limits import MAX_TEXT
from pipeline.events import EVENT_TYPES, models, order_key

SUBSCRIPTION_EVENT = models.SubscriptionFailedEvent.__name__
INVOICE_EVENT = models.InvoiceCaptureCompletedEvent.__name__
ORDER_EVENTS = frozenset(
    model.__name__
    for model in (
        models.OrderReceivedEvent,
        models.OrderConfirmedEvent,
        models.OrderPartlyDeliveredEvent,
        models.OrderReadyForPickupEvent,
        models.OrderDeliveredEvent,
        models.OrderCancelledEvent,
        models.OrderPaymentReceivedEvent,
    )
)

_NUMBER = r"(0|-?[1-9][0-9]{0,9})"
_ORDER = re.compile(rf"{_NUMBER}:{_NUMBER}:(.{{1,{MAX_TEXT}}})", re.DOTALL)
_SUBSCRIPTION = re.compile(rf"{_NUMBER}:{_NUMBER}:(subscription={_NUMBER}|recurring={_NUMBER}|unidentified)")
_INVOICE = re.compile(rf"{_NUMBER}:{_NUMBER}")
_BASKET = re.compile(rf"{_NUMBER}:{_NUMBER}:{_NUMBER}")


def _match(pattern: re.Pattern[str], text: str, kind: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise MalformedKey(f"not the key of {kind}: a text of {len(text)} characters")
    return match


class OrderKey(msgspec.Struct, frozen=True):
    """``{ClientId}:{ApplicationId}:{ClientOrderRef}``."""

    client_id: int
    application_id: int
    client_order_ref: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``, also when the reference is longer than ``MAX_TEXT``."""
        client_id, application_id, client_order_ref = _match(_ORDER, text, "an order").groups()
        return cls(int(client_id), int(application_id), client_order_ref)

    @property
    def text(self) -> str:
        return order_key(self.client_id, self.application_id, self.client_order_ref)


class SubscriptionKey(msgspec.Struct, frozen=True):
    """``{ClientId}:{ApplicationId}:subscription={SubscriptionId}``, or ``recurring={RecurringOrderId}``, or
    ``unidentified`` when the event names neither."""

    client_id: int
    application_id: int
    subject: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        match = _match(_SUBSCRIPTION, text, "a subscription")
        return cls(int(match[1]), int(match[2]), match[3])

    @property
    def text(self) -> str:
        return f"{self.client_id}:{self.application_id}:{self.subject}"


class InvoiceKey(msgspec.Struct, frozen=True):
    """``{ClientId}:{CapturedInvoiceId}``."""

    client_id: int
    captured_invoice_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        client_id, captured_invoice_id = _match(_INVOICE, text, "an invoice").groups()
        return cls(int(client_id), int(captured_invoice_id))

    @property
    def text(self) -> str:
        return f"{self.client_id}:{self.captured_invoice_id}"


Key = OrderKey | SubscriptionKey | InvoiceKey


def key_of(event_type: str, text: str) -> Key | None:
    """The key under which an event of this type and partition key is folded, ``None`` if no state is kept of it.

    Raises:
        MalformedKey: the text is not a key of that event type.
    """
    if event_type in ORDER_EVENTS:
        return OrderKey.parse(text)
    if event_type == SUBSCRIPTION_EVENT:
        return OrderKey.parse(text) if _BASKET.fullmatch(text) else SubscriptionKey.parse(text)
    return InvoiceKey.parse(text) if event_type == INVOICE_EVENT else None


def belongs(key: Key, event: models.NorceEvent) -> bool:
    """Whether an event of which state is kept is folded under this key."""
    if type(event) is models.SubscriptionFailedEvent and event.basket_id is None:
        kind: type[Key] = SubscriptionKey
    elif type(event) is models.InvoiceCaptureCompletedEvent:
        kind = InvoiceKey
    else:
        kind = OrderKey
    return type(key) is kind and EVENT_TYPES[type(event).__name__].partition_key(event) == key.text
