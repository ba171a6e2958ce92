"""The keys that state is kept under: the partition keys of the event catalogue, taken apart.

A subscription failure with a basket belongs to the basket's order. It also belongs to the subscription and to the
recurring order that it names, whose failures are counted over all their baskets. The text alone does not always tell
what a key is the key of, because an order made outside Norce may be called anything: ``key_of`` decides it by the event
type, and each kind is kept in a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Self

import msgspec

from pipeline.domain.errors import MalformedKey
from pipeline.domain.limits import MAX_TEXT
from pipeline.events import EVENT_TYPES, models, order_key

SUBSCRIPTION_EVENT = models.SubscriptionFailedEvent.__name__

_NUMBER = r"(0|-?[1-9][0-9]{0,9})"
_ORDER = re.compile(rf"{_NUMBER}:{_NUMBER}:(.{{1,{MAX_TEXT}}})", re.DOTALL)
_SUBSCRIPTION = re.compile(rf"{_NUMBER}:{_NUMBER}:(subscription={_NUMBER}|recurring={_NUMBER}|unidentified)")
_PRODUCT = re.compile(rf"{_NUMBER}:(.{{1,{MAX_TEXT}}})", re.DOTALL)
_TWO_NUMBERS = re.compile(rf"{_NUMBER}:{_NUMBER}")
_CUSTOMER = re.compile(rf"{_NUMBER}:customer={_NUMBER}")
_COMPANY = re.compile(rf"{_NUMBER}:company={_NUMBER}")
_BASKET = re.compile(rf"{_NUMBER}:{_NUMBER}:{_NUMBER}")


def _match(pattern: re.Pattern[str], text: str, kind: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise MalformedKey(f"not the key of {kind}: a text of {len(text)} characters")
    return match


class _Key(msgspec.Struct, frozen=True, dict=True):
    """Base of all keys. The text is asked for many times in the course of one event, so it is made once."""

    @cached_property
    def text(self) -> str:
        """The partition key."""
        return self._text()

    def _text(self) -> str:
        raise NotImplementedError


class OrderKey(_Key, frozen=True):
    """``{ClientId}:{ApplicationId}:{ClientOrderRef}``."""

    client_id: int
    application_id: int
    client_order_ref: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``, also when the reference is longer than ``MAX_TEXT``."""
        client_id, application_id, client_order_ref = _match(_ORDER, text, "an order").groups()
        return cls(int(client_id), int(application_id), client_order_ref)

    def _text(self) -> str:
        return order_key(self.client_id, self.application_id, self.client_order_ref)


class SubscriptionKey(_Key, frozen=True):
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

    def _text(self) -> str:
        return f"{self.client_id}:{self.application_id}:{self.subject}"


class InvoiceKey(_Key, frozen=True):
    """``{ClientId}:{CapturedInvoiceId}``."""

    client_id: int
    captured_invoice_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        client_id, captured_invoice_id = _match(_TWO_NUMBERS, text, "an invoice").groups()
        return cls(int(client_id), int(captured_invoice_id))

    def _text(self) -> str:
        return f"{self.client_id}:{self.captured_invoice_id}"


class ProductKey(_Key, frozen=True):
    """``{ClientId}:{PartNo}``."""

    client_id: int
    part_no: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``, also when the part number is longer than ``MAX_TEXT``."""
        client_id, part_no = _match(_PRODUCT, text, "a product").groups()
        return cls(int(client_id), part_no)

    def _text(self) -> str:
        return f"{self.client_id}:{self.part_no}"


class CustomerKey(_Key, frozen=True):
    """``{ClientId}:customer={CustomerId}``."""

    client_id: int
    customer_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        client_id, customer_id = _match(_CUSTOMER, text, "a customer").groups()
        return cls(int(client_id), int(customer_id))

    def _text(self) -> str:
        return f"{self.client_id}:customer={self.customer_id}"


class CompanyKey(_Key, frozen=True):
    """``{ClientId}:company={CompanyId}``."""

    client_id: int
    company_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        client_id, company_id = _match(_COMPANY, text, "a company").groups()
        return cls(int(client_id), int(company_id))

    def _text(self) -> str:
        return f"{self.client_id}:company={self.company_id}"


class JobKey(_Key, frozen=True):
    """``{ClientId}:{JobId}``."""

    client_id: int
    job_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedKey``."""
        client_id, job_id = _match(_TWO_NUMBERS, text, "a job").groups()
        return cls(int(client_id), int(job_id))

    def _text(self) -> str:
        return f"{self.client_id}:{self.job_id}"


Key = OrderKey | SubscriptionKey | InvoiceKey | ProductKey | CustomerKey | CompanyKey | JobKey

KEY_OF_EVENT: Mapping[str, type[Key]] = {
    models.OrderReceivedEvent.__name__: OrderKey,
    models.OrderConfirmedEvent.__name__: OrderKey,
    models.OrderPartlyDeliveredEvent.__name__: OrderKey,
    models.OrderReadyForPickupEvent.__name__: OrderKey,
    models.OrderDeliveredEvent.__name__: OrderKey,
    models.OrderCancelledEvent.__name__: OrderKey,
    models.OrderPaymentReceivedEvent.__name__: OrderKey,
    SUBSCRIPTION_EVENT: SubscriptionKey,
    models.InvoiceCaptureCompletedEvent.__name__: InvoiceKey,
    models.SkuPriceChangedNotification.__name__: ProductKey,
    models.SkuOnHandBreakPointNotification.__name__: ProductKey,
    models.SkuChangedNotification.__name__: ProductKey,
    models.TranslationRequestedNotification.__name__: ProductKey,
    models.SupplierSkuPriceChangedNotification.__name__: ProductKey,
    models.SupplierSkuOnHandChangedNotification.__name__: ProductKey,
    models.SupplierSkuChangedNotification.__name__: ProductKey,
    models.CustomerChangedNotification.__name__: CustomerKey,
    models.CompanyChangedNotification.__name__: CompanyKey,
    models.JobCompletedEvent.__name__: JobKey,
}
"""What is kept of each event type; a subscription failure is kept of its basket's order as well."""

KEY_OF_ANSWER: Mapping[str, type[Key]] = {
    "OrderLookedUp": OrderKey,
    "ProductLookedUp": ProductKey,
    "InvoiceLookedUp": InvoiceKey,
}
"""What each answer of a look-up is about. They are none of Norce's event types."""


def key_of(event_type: str, text: str) -> Key | None:
    """The key under which an event or answer of this type and key is folded, ``None`` if no state is kept of it.

    Raises:
        MalformedKey: the text is not a key of that event type.
    """
    kind = KEY_OF_EVENT.get(event_type) or KEY_OF_ANSWER.get(event_type)
    if event_type == SUBSCRIPTION_EVENT and _BASKET.fullmatch(text):
        kind = OrderKey
    return None if kind is None else kind.parse(text)


def belongs(key: Key, event: models.NorceEvent) -> bool:
    """Whether an event of which state is kept is folded under this key."""
    if isinstance(event, models.SubscriptionFailedEvent):
        if type(key) is SubscriptionKey:
            return key in subscriptions_of(event)
        kind: type[Key] = OrderKey if event.basket_id is not None else SubscriptionKey
    else:
        kind = KEY_OF_EVENT[type(event).__name__]
    return type(key) is kind and EVENT_TYPES[type(event).__name__].partition_key(event) == key.text


def subscriptions_of(event: models.SubscriptionFailedEvent) -> tuple[SubscriptionKey, ...]:
    """What a failure is counted under: the subscription, the recurring order; if it names nothing at all, neither."""
    named = [("subscription", event.subscription_id), ("recurring", event.recurring_order_id)]
    subjects = [f"{name}={number}" for name, number in named if number is not None]
    if not subjects and event.basket_id is None:
        subjects = ["unidentified"]
    return tuple([SubscriptionKey(event.client_id, event.application_id, subject) for subject in subjects])
