"""What is wrong with a thing, from when to when. Functions of a view and a policy, and of nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from pipeline.domain.alerts.catalogue import AlertKind, AlertPolicy
from pipeline.domain.job import JobOutcome, JobView
from pipeline.domain.limits import MAX_ALERT_VALUES
from pipeline.domain.product_records import ProductView
from pipeline.domain.records import (
    CaptureOutcome,
    InvoiceView,
    OrderStatus,
    OrderView,
    Payment,
    SubscriptionView,
    TimelineEntry,
)
from pipeline.domain.times import microseconds
from pipeline.domain.views import View
from pipeline.events import models, order_key

_PAYMENT = models.OrderPaymentReceivedEvent.__name__
_CANCELLED = models.OrderCancelledEvent.__name__
_DELIVERIES = (models.OrderDeliveredEvent.__name__, models.OrderPartlyDeliveredEvent.__name__)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. It is an alert from ``due`` until ``ends``, microseconds since 1970 UTC."""

    kind: AlertKind
    item: str | None
    order_key: str | None
    due: int
    ends: int | None
    """``None``: until the view says otherwise."""
    opened_by: tuple[str, ...]
    details: dict[str, str]

    def active(self, now: int) -> bool:
        return self.due <= now and (self.ends is None or now < self.ends)


def conditions(view: View, policy: AlertPolicy) -> tuple[Condition, ...]:
    """Everything that is or, as time goes on, will be wrong, sorted by kind and item."""
    find = _FINDERS.get(type(view))
    if find is None:
        return ()
    found = list(find(view, policy))
    if len(found) > 1:
        found.sort(key=lambda one: (one.kind, one.item or ""))
    return tuple(found)


def active(view: View, now: int, policy: AlertPolicy) -> tuple[Condition, ...]:
    """What is wrong at one moment, microseconds since 1970 UTC."""
    return tuple([condition for condition in conditions(view, policy) if condition.active(now)])


def _condition(
    policy: AlertPolicy,
    kind: AlertKind,
    since: int,
    opened_by: Iterable[str],
    details: Mapping[str, str],
    *,
    item: str | None = None,
    order: str | None = None,
) -> Condition:
    due, expires = since + policy.after[kind], policy.expires[kind]
    return Condition(
        kind=kind,
        item=item,
        order_key=order,
        due=due,
        ends=None if expires is None else due + expires,
        opened_by=tuple(opened_by)[:MAX_ALERT_VALUES],
        details=dict(details),
    )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))[:MAX_ALERT_VALUES])


# -- orders ------------------------------------------------------------------------------------------------------------


_DONE = frozenset((OrderStatus.DELIVERED, OrderStatus.CANCELLED))
_UNCONFIRMED = frozenset((OrderStatus.UNKNOWN, OrderStatus.RECEIVED))


def _order(view: OrderView, policy: AlertPolicy) -> Iterator[Condition]:
    key = order_key(view.client_id, view.application_id, view.client_order_ref)
    status, reached = view.status, view.statuses
    if view.payments:
        yield from _paid(view, policy, key)
    delivered = OrderStatus.DELIVERED in reached or OrderStatus.PARTLY_DELIVERED in reached
    if delivered and OrderStatus.CONFIRMED not in reached and OrderStatus.CANCELLED not in reached:
        since, by = _moment(view, _entries(view, *_DELIVERIES)[:1])
        details = {"status": status.value}
        yield _condition(policy, AlertKind.DELIVERED_BEFORE_CONFIRMED, since, by, details, order=key)
    if status not in _DONE and (status is not OrderStatus.UNKNOWN or view.payments):
        by = [view.timeline[-1].event_id]
        details = {"status": status.value}
        yield _condition(policy, AlertKind.STUCK, microseconds(view.last_changed_at), by, details, order=key)


def _paid(view: OrderView, policy: AlertPolicy, key: str) -> Iterator[Condition]:
    if view.status in _UNCONFIRMED:
        since = min([microseconds(payment.first_received_at) for payment in view.payments])
        by = [entry.event_id for entry in _entries(view, _PAYMENT)[:1]]
        yield _condition(policy, AlertKind.PAID_NOT_CONFIRMED, since, by, _what_is_paid(view), order=key)
    if view.status is OrderStatus.CANCELLED:
        since, by = _moment(view, [*_entries(view, _PAYMENT)[:1], *_entries(view, _CANCELLED)[:1]])
        yield _condition(policy, AlertKind.CANCELLED_AFTER_PAYMENT, since, by, _what_is_paid(view), order=key)
    currencies = {payment.currency for payment in view.payments if payment.currency}
    for conflict in view.conflicts:
        if conflict.field == "payment.currency":
            currencies.update(conflict.values)
    if len(currencies) > 1:
        since, by = _moment(view, _entries(view, _PAYMENT)[:2])
        details = {"currencies": _listed(currencies), "payment_codes": _what_is_paid(view)["payment_codes"]}
        yield _condition(policy, AlertKind.PAYMENT_CURRENCY_MISMATCH, since, by, details, order=key)
    if len(view.payments) > 1:
        yield from _twice(view, policy, key)


def _what_is_paid(view: OrderView) -> dict[str, str]:
    return {
        "paid": ", ".join([f"{amount} {currency}" for currency, amount in view.paid.items()]),
        "payment_codes": _listed([payment.payment_code for payment in view.payments]),
    }


def _twice(view: OrderView, policy: AlertPolicy, key: str) -> Iterator[Condition]:
    same: defaultdict[tuple[str, str], list[Payment]] = defaultdict(list)
    for payment in view.payments:
        if payment.amount is not None and payment.currency is not None:
            same[payment.amount, payment.currency].append(payment)
    for (amount, currency), payments in same.items():
        if len(payments) > 1:
            second = sorted([microseconds(payment.first_received_at) for payment in payments])[1]
            codes = _listed([payment.payment_code for payment in payments])
            details = {"amount": amount, "currency": currency, "payment_codes": codes}
            by = [entry.event_id for entry in _entries(view, _PAYMENT) if microseconds(entry.received_at) == second]
            item = f"{amount} {currency}"
            yield _condition(policy, AlertKind.PAID_TWICE, second, by, details, item=item, order=key)


def _entries(view: OrderView | InvoiceView, *event_types: str) -> list[TimelineEntry]:
    return [entry for entry in view.timeline if entry.event_type in event_types]


def _moment(view: OrderView, entries: list[TimelineEntry]) -> tuple[int, list[str]]:
    """When the last of them was received, and their ids; the order's first event where a long timeline lacks them."""
    times = [microseconds(entry.received_at) for entry in entries]
    return max(times, default=microseconds(view.first_received_at)), [entry.event_id for entry in entries]


# -- what stands on its own --------------------------------------------------------------------------------------------


def _product(view: ProductView, policy: AlertPolicy) -> Iterator[Condition]:
    cheapest = view.cheapest_cost
    for price in view.sale_prices:
        if price.below_cost and cheapest is not None:
            break_ = "" if price.quantity_break is None else f",quantity_break={price.quantity_break}"
            yield _condition(
                policy,
                AlertKind.BELOW_COST,
                max(microseconds(price.last_received_at), microseconds(cheapest.last_received_at)),
                [price.event_id, cheapest.event_id],
                {
                    "price": price.price,
                    "cost": cheapest.cost,
                    "margin": price.margin or "",
                    "supplier_id": str(cheapest.supplier_id),
                },
                item=f"pricelist_id={price.pricelist_id}{break_}",
            )
    for point in view.stock:
        if point.at_minimum:
            yield _condition(
                policy,
                AlertKind.BELOW_MINIMUM_STOCK,
                microseconds(point.last_received_at),
                [point.event_id],
                {"on_hand": point.on_hand, "minimum": point.minimum},
                item=f"warehouse_id={point.warehouse_id},location_id={point.location_id}",
            )


def _invoice(view: InvoiceView, policy: AlertPolicy) -> Iterator[Condition]:
    if view.outcome is CaptureOutcome.ERROR:
        since, by = microseconds(view.first_received_at), [entry.event_id for entry in view.timeline[:1]]
        details = {"application_id": str(view.application_id)}
        yield _condition(policy, AlertKind.CAPTURE_ERROR, since, by, details, order=view.order_key)


_FAILED_JOB = {
    JobOutcome.FAILED: AlertKind.JOB_FAILED,
    JobOutcome.VALIDATION_FAILED: AlertKind.JOB_VALIDATION_FAILED,
}


def _job(view: JobView, policy: AlertPolicy) -> Iterator[Condition]:
    kind = _FAILED_JOB.get(view.outcome)
    if kind is not None:
        (state,) = [state for state in view.states if state.outcome is view.outcome]
        details = {"outcome": view.outcome.value}
        yield _condition(policy, kind, microseconds(state.first_received_at), [state.event_id], details)


def _subscription(view: SubscriptionView, policy: AlertPolicy) -> Iterator[Condition]:
    """The failures since the last pause that was long enough for the alert to expire."""
    kind = AlertKind.SUBSCRIPTION_FAILING
    pause, enough = policy.expires[kind], policy.subscription_failures
    times = [microseconds(entry.received_at) for entry in view.timeline]
    starts = [number for number, (one, next_) in enumerate(pairwise(times), 1) if pause and next_ - one >= pause]
    run = view.timeline[starts[-1] if starts else 0 :]
    failures = len(run) + (0 if starts else view.timeline_omitted)
    if failures < enough:
        return
    details = {"failures": str(failures), "order_keys": ", ".join(view.order_keys[-MAX_ALERT_VALUES:])}
    opening = run[min(enough, len(run)) - 1]
    by = [entry.event_id for entry in run[:enough]]
    found = _condition(policy, kind, microseconds(opening.received_at), by, details)
    yield msgspec.structs.replace(found, ends=None if pause is None else times[-1] + pause)


_FINDERS: Mapping[type[Any], Callable[[Any, AlertPolicy], Iterator[Condition]]] = {
    OrderView: _order,
    ProductView: _product,
    InvoiceView: _invoice,
    JobView: _job,
    SubscriptionView: _subscription,
}
