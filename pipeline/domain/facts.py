"""Facts: what an event says, without who said it when.

A fact holds the documented fields of the body that are not personal data. The fields that the key already says
(``client_id``, ``application_id`` and ``client_order_ref``; an invoice's key names no application) are left out, and so
are fields that Norce does not document. Two bodies that differ only in what is left out are the same fact.

Most facts are kept for good. A fact with a ``slot`` is the content of a register: what a place, such as a price list,
holds at the moment. It may change to and fro with the same body, so the newest receipt says what holds, and only the
newest receipts of each slot are kept (see ``state``).

The classes are also the stored layout: facts are stored as arrays, so the order of the fields is part of the layout
and may not change without a new layout version (see ``codec``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from pipeline.domain.amounts import number, plain
from pipeline.domain.limits import CHANGE_HISTORY, MAX_ERROR_MESSAGE, MAX_TEXT, VALUE_HISTORY
from pipeline.domain.masking import masked
from pipeline.events import EVENT_TYPES, Deduplication, NorceEvent


class Fact(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all facts. Facts are equal when their event type and all their fields are."""

    slot: ClassVar[tuple[str, ...]] = ()
    """The fields that name the place whose content the fact is; empty for a fact that is kept for good."""
    history: ClassVar[int] = 0
    """Most receipts that are kept of one slot."""


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
    """Masked, and the first ``MAX_ERROR_MESSAGE`` characters of that."""


class InvoiceCapture(Fact, frozen=True, tag="InvoiceCaptureCompletedEvent"):
    application_id: int
    captured_invoice_id: int
    state: str


class JobCompleted(Fact, frozen=True, tag="JobCompletedEvent"):
    application_id: int | None
    status_id: int


class EntityFact(Fact, frozen=True):
    """A row of one of Norce's tables changed; neither which row nor to what is said."""

    slot: ClassVar[tuple[str, ...]] = ("application_id", "entity_changed")
    history: ClassVar[int] = CHANGE_HISTORY
    application_id: int | None
    entity_changed: str


class CompanyChanged(EntityFact, frozen=True, tag="CompanyChangedNotification"):
    pass


class CustomerChanged(EntityFact, frozen=True, tag="CustomerChangedNotification"):
    pass


class SkuChanged(EntityFact, frozen=True, tag="SkuChangedNotification"):
    pass


class TranslationRequested(EntityFact, frozen=True, tag="TranslationRequestedNotification"):
    pass


class SupplierEntityFact(EntityFact, frozen=True):
    """A row of one of Norce's tables changed that is about a supplier's product."""

    slot: ClassVar[tuple[str, ...]] = ("supplier_id", "application_id", "entity_changed")
    supplier_id: int


class SupplierSkuChanged(SupplierEntityFact, frozen=True, tag="SupplierSkuChangedNotification"):
    pass


class SupplierSkuOnHandChanged(SupplierEntityFact, frozen=True, tag="SupplierSkuOnHandChangedNotification"):
    pass


class SkuPrice(Fact, frozen=True, tag="SkuPriceChangedNotification"):
    slot: ClassVar[tuple[str, ...]] = ("pricelist_id", "quantity_break")
    history: ClassVar[int] = VALUE_HISTORY
    application_id: int | None
    pricelist_id: int
    pricelist_code: str | None
    price_sale_value: str
    """Text of ``amounts.plain``."""
    quantity_break: str | None
    """Text of ``amounts.number``, as all quantities."""


class SkuOnHand(Fact, frozen=True, tag="SkuOnHandBreakPointNotification"):
    slot: ClassVar[tuple[str, ...]] = ("warehouse_id", "location_id")
    history: ClassVar[int] = VALUE_HISTORY
    application_id: int | None
    warehouse_id: int
    warehouse_code: str | None
    location_id: int
    location_code: str | None
    on_hand_value: str
    minimum_value: str


class SupplierSkuPrice(Fact, frozen=True, tag="SupplierSkuPriceChangedNotification"):
    slot: ClassVar[tuple[str, ...]] = ("supplier_id", "pricelist_id", "quantity_break")
    history: ClassVar[int] = VALUE_HISTORY
    application_id: int | None
    supplier_id: int
    pricelist_id: int | None
    pricelist_code: str | None
    price_sale_value: str | None
    """Text of ``amounts.plain``; null where Norce says only that the cost changed."""
    quantity_break: str | None


StatusFact = Received | Confirmed | PartlyDelivered | ReadyForPickup | Delivered | Cancelled
ProductFact = (
    SkuPrice
    | SkuOnHand
    | SkuChanged
    | TranslationRequested
    | SupplierSkuPrice
    | SupplierSkuChanged
    | SupplierSkuOnHandChanged
)
AnyFact = (
    StatusFact
    | PaymentReceived
    | SubscriptionFailed
    | InvoiceCapture
    | JobCompleted
    | CompanyChanged
    | CustomerChanged
    | ProductFact
)

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
    JobCompleted,
    CompanyChanged,
    CustomerChanged,
    SkuPrice,
    SkuOnHand,
    SkuChanged,
    TranslationRequested,
    SupplierSkuPrice,
    SupplierSkuChanged,
    SupplierSkuOnHandChanged,
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
REGISTERS: frozenset[type[Fact]] = frozenset(kind for kind in _TYPES if kind.slot)
"""Facts of which only the newest receipts of each slot are kept."""

Slot = tuple[Any, ...]
_MONEY = frozenset({"amount", "price_sale_value"})


def slot_of(fact: AnyFact) -> Slot:
    """The place whose content a register's fact is, unlike that of any other fact."""
    return (type(fact), *[getattr(fact, name) for name in fact.slot])


def fact_of(event: NorceEvent) -> AnyFact:
    """The fact that an event states.

    Raises:
        KeyError: no state is kept of this event type.
        ValueError: a field is longer than ``limits`` allows; the message names the field and not its value.
    """
    kind = FACT_TYPES[type(event).__name__]
    return kind(*[_stored(event, name) for name in kind.__struct_fields__])


def free_text(event: NorceEvent, name: str) -> str | None:
    """A free text of an event without what may say who somebody is."""
    text = getattr(event, name)
    if text is None:
        return None
    values = (getattr(event, each) for each in EVENT_TYPES[type(event).__name__].personal_data)
    return masked(text, [value for value in values if value is not None])


def _stored(event: NorceEvent, name: str) -> Any:
    if name in EVENT_TYPES[type(event).__name__].free_text:
        text = free_text(event, name)
        return None if text is None else text[:MAX_ERROR_MESSAGE]
    value = getattr(event, name)
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"{name} has more than {MAX_TEXT} characters")
        return value
    if isinstance(value, Decimal):
        return plain(value) if name in _MONEY else number(value)
    return value
