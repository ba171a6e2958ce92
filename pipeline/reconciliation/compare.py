"""Comparing one order of Norce's with ours: which events cannot but be missing, and what differs all the same.

Query tells how an order is, not how it came there. So only what follows for certain is derived: that it was placed, the
event of the status it has now, that it can be collected, and each payment. Steps in between stay unknown. Nothing that
we have is ever taken back: what Norce does not have, or has otherwise, is a difference for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from connectors.norce.order_status import QUERY_STATUSES
from connectors.query import FailedRunRow, OrderRow, PaymentRow
from pipeline.domain import OrderStatus
from pipeline.events import NorceOrderStatus as NorceStatus
from pipeline.events import models
from pipeline.events.fields import json_number

RECEIVED = models.OrderReceivedEvent.__name__
READY = models.OrderReadyForPickupEvent.__name__
PAYMENT = models.OrderPaymentReceivedEvent.__name__
FAILED = models.SubscriptionFailedEvent.__name__

STATES: Mapping[str, OrderStatus] = {
    RECEIVED: OrderStatus.RECEIVED,
    models.OrderConfirmedEvent.__name__: OrderStatus.CONFIRMED,
    models.OrderPartlyDeliveredEvent.__name__: OrderStatus.PARTLY_DELIVERED,
    READY: OrderStatus.READY_FOR_PICKUP,
    models.OrderDeliveredEvent.__name__: OrderStatus.DELIVERED,
    models.OrderCancelledEvent.__name__: OrderStatus.CANCELLED,
}
"""The status that an event states."""
_RANK = {status: rank for rank, status in enumerate(OrderStatus)}

EVERY = "*"
DEFAULT_IMPLIED: Mapping[str, tuple[str, ...]] = {
    EVERY: (RECEIVED,),
    NorceStatus.CREATED: (),
    NorceStatus.ALLOCATION: (),
    NorceStatus.CONFIRMED: (models.OrderConfirmedEvent.__name__,),
    NorceStatus.PARTLY_DELIVERED: (models.OrderPartlyDeliveredEvent.__name__,),
    NorceStatus.DELIVERED: (models.OrderDeliveredEvent.__name__,),
    NorceStatus.CANCELLED: (models.OrderCancelledEvent.__name__,),
}
"""Norce's status to the events that must have come (assumed: the names say so). An invoiced order may have been
delivered or not, so that status has no entry."""


class UnknownStatusName(ValueError):
    """The setting names a status or an event type that does not exist."""


class Kind(StrEnum):
    """What differs."""

    STATUS = "status"
    """We are further than Norce, or Norce is where no event tells."""
    UNKNOWN_STATUS = "unknown_status"
    """Norce's status has a number that is not documented."""
    ORDER_ID = "order_id"
    ORDER_NO = "order_no"
    SOURCE = "source"
    AMOUNT = "payment.amount"
    CURRENCY = "payment.currency"
    PAYMENT = "payment"
    """We have a payment that Norce does not have."""
    ORDER = "order"
    """We have an order that Norce does not have."""
    BOUGHT = "bought"
    """Checkout says a basket was bought, and neither Commerce nor we have an order of it."""
    UNUSABLE = "unusable"
    """What Norce tells makes no event."""


class Difference(msgspec.Struct, frozen=True):
    """What differs and no event can mend."""

    kind: Kind
    key: str
    item: str | None
    ours: str | None
    norce: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """An event that never came. ``fields`` is its body, without personal data."""

    event_type: str
    key: str
    fields: Mapping[str, Any]


class OurPayment(msgspec.Struct, frozen=True):
    payment_code: str
    amount: str | None = None
    currency: str | None = None


class OurFailure(msgspec.Struct, frozen=True):
    subscription_id: int | None = None
    recurring_order_id: int | None = None
    recurring_order_schedule_id: int | None = None
    error_message: str | None = None


class OurOrder(msgspec.Struct, frozen=True):
    """What is compared of an enriched order; the names are those of the record."""

    statuses: tuple[OrderStatus, ...] = ()
    order_id: int | None = None
    order_no: str | None = None
    source: str | None = None
    payments: tuple[OurPayment, ...] = ()
    subscription_failures: tuple[OurFailure, ...] = ()
    first_received_at: str = ""
    last_changed_at: str = ""


NOTHING = OurOrder()


@dataclass(frozen=True, slots=True)
class Implied:
    """Which events must have come for an order in a status."""

    by_status: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_IMPLIED)

    @classmethod
    def of(cls, changed: Mapping[str, Sequence[str]]) -> Implied:
        """The default, with some statuses changed. Raises ``UnknownStatusName``."""
        for status, events in changed.items():
            if status != EVERY and status not in set(NorceStatus):
                raise UnknownStatusName(f"{status}: no order status of Connect, nor {EVERY}")
            for event in events:
                if event not in STATES:
                    raise UnknownStatusName(f"{status}: {event} is none of {', '.join(STATES)}")
        return cls({**DEFAULT_IMPLIED, **{status: tuple(events) for status, events in changed.items()}})

    def events(self, order: OrderRow) -> tuple[str, ...] | None:
        """The events of an order, ``None`` if its status tells nothing beyond those of every order."""
        status = QUERY_STATUSES.get(order.status_id)
        return None if status is None else self.by_status.get(status)

    @property
    def every(self) -> tuple[str, ...]:
        """The events of every order."""
        return self.by_status[EVERY]


@dataclass(frozen=True, slots=True)
class Compared:
    """What is missing of an order with us, and what differs."""

    missing: tuple[Missing, ...] = ()
    differences: tuple[Difference, ...] = ()


def compare(order: OrderRow, key: str, reference: str, ours: OurOrder | None, implied: Implied) -> Compared:
    """Compare an order with ours; ``None`` for one that we never heard of. ``reference`` is its ClientOrderRef."""
    held = ours or NOTHING
    common = {"ClientId": order.client_id, "ApplicationId": order.application_id, "ClientOrderRef": reference}
    told = implied.events(order)
    types = dict.fromkeys((*implied.every, *(told or ()), *((READY,) if order.ready_for_pickup else ())))
    missing = [_status(name, order, common, key) for name in types if STATES[name] not in held.statuses]
    missing += _payments(order, common, key, held)
    differences = [*_statuses(order, key, held, told, types), *_money(order, key, held)]
    if ours is not None:
        differences += _names(order, key, ours, missing)
    return Compared(tuple(missing), tuple(differences))


def compare_run(run: FailedRunRow, key: str, ours: OurOrder | None) -> Missing | None:
    """The failure event of a run, if we do not have it. ``key`` is that of the basket's order."""
    for failure in (ours or NOTHING).subscription_failures:
        if failure.recurring_order_schedule_id is not None:
            if failure.recurring_order_schedule_id == run.id:
                return None
        elif (failure.subscription_id, failure.recurring_order_id, failure.error_message) == (
            run.subscription_id,
            run.recurring_order_id,
            run.error_message,
        ):
            return None
    fields = {
        "ClientId": run.client_id,
        "ApplicationId": run.application_id,
        "SubscriptionId": run.subscription_id,
        "RecurringOrderId": run.recurring_order_id,
        "RecurringOrderScheduleId": run.id,
        "BasketId": run.quotation_id,
        "ErrorMessage": run.error_message,
    }
    return Missing(FAILED, key, _stated(fields))


def _status(event_type: str, order: OrderRow, common: Mapping[str, Any], key: str) -> Missing:
    fields = {**common, "Source": order.source or ""}
    if event_type != RECEIVED:
        fields |= {"OrderId": order.id, "OrderNo": order.order_no}
    if event_type == READY and order.drop_point_code:
        fields["DropPointCode"] = order.drop_point_code
    return Missing(event_type, key, fields)


def _payments(order: OrderRow, common: Mapping[str, Any], key: str, held: OurOrder) -> Iterable[Missing]:
    known = {payment.payment_code: payment for payment in held.payments}
    for payment in order.payments or ():
        have = known.get(payment.payment_code)
        if have is None or _tells_more(payment, have):
            fields = {
                **common,
                "ErpOrderNo": order.order_no,
                "PaymentCode": payment.payment_code,
                "PaymentMethodCode": payment.payment_method_code,
                "PaymentRef": payment.payment_ref,
                "Amount": None if payment.amount is None else json_number(payment.amount),
                "CurrencyCode": payment.currency_code,
            }
            yield Missing(PAYMENT, key, _stated(fields))


def _tells_more(payment: PaymentRow, have: OurPayment) -> bool:
    return (have.amount is None and payment.amount is not None) or (
        have.currency is None and bool(payment.currency_code)
    )


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _statuses(
    order: OrderRow, key: str, held: OurOrder, told: tuple[str, ...] | None, types: Iterable[str]
) -> Iterable[Difference]:
    name = QUERY_STATUSES.get(order.status_id)
    after = {*held.statuses, *(STATES[each] for each in types)}
    reached = _furthest(after)
    if name is None:
        yield Difference(Kind.UNKNOWN_STATUS, key, None, reached, str(order.status_id))
    elif told is None:
        if reached not in (OrderStatus.DELIVERED, OrderStatus.CANCELLED):
            yield Difference(Kind.STATUS, key, None, reached, name)
    elif reached != _furthest(STATES[each] for each in types):
        yield Difference(Kind.STATUS, key, None, reached, name)


def _furthest(statuses: Iterable[OrderStatus]) -> OrderStatus:
    """Without being ready for pickup, which is a matter of packages and not of the order's status."""
    ranked = [status for status in statuses if status is not OrderStatus.READY_FOR_PICKUP]
    return max(ranked, key=_RANK.__getitem__, default=OrderStatus.UNKNOWN)


def _money(order: OrderRow, key: str, held: OurOrder) -> Iterable[Difference]:
    if order.payments is None:
        return
    known = {payment.payment_code: payment for payment in order.payments}
    for have in held.payments:
        payment = known.get(have.payment_code)
        if payment is None:
            yield Difference(Kind.PAYMENT, key, have.payment_code, f"{have.amount} {have.currency}", None)
            continue
        if have.amount is not None and payment.amount is not None and Decimal(have.amount) != payment.amount:
            yield Difference(Kind.AMOUNT, key, have.payment_code, have.amount, f"{payment.amount:f}")
        if have.currency and payment.currency_code and have.currency != payment.currency_code:
            yield Difference(Kind.CURRENCY, key, have.payment_code, have.currency, payment.currency_code)


def _names(order: OrderRow, key: str, ours: OurOrder, missing: Sequence[Missing]) -> Iterable[Difference]:
    """What differs in numbers and source. Missing events bring numbers, so those are looked at when all have come."""
    if not any("OrderId" in each.fields for each in missing) and ours.order_id not in (None, order.id):
        yield Difference(Kind.ORDER_ID, key, None, str(ours.order_id), str(order.id))
    numbered = any("OrderNo" in each.fields or "ErpOrderNo" in each.fields for each in missing)
    if not numbered and ours.order_no not in (None, order.order_no):
        yield Difference(Kind.ORDER_NO, key, None, ours.order_no, order.order_no)
    if ours.source and order.source and ours.source != order.source:
        yield Difference(Kind.SOURCE, key, None, ours.source, order.source)
