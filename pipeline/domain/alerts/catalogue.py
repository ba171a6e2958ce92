"""The one table of alerts: what each kind means, how bad it is, what it says, and when time opens or closes it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from pipeline.domain.errors import InvalidPolicy

MINUTE: Final = 60 * 1_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Severity(StrEnum):
    """How bad it is."""

    NOTICE = "notice"
    """Worth knowing."""
    WARNING = "warning"
    """Somebody should look at it today."""
    CRITICAL = "critical"
    """Money or a customer is at stake now."""


class AlertKind(StrEnum):
    """What can be wrong."""

    BELOW_COST = "below_cost"
    BELOW_MINIMUM_STOCK = "below_minimum_stock"
    JOB_FAILED = "job_failed"
    JOB_VALIDATION_FAILED = "job_validation_failed"
    CAPTURE_ERROR = "capture_error"
    SUBSCRIPTION_FAILING = "subscription_failing"
    PAID_NOT_CONFIRMED = "paid_not_confirmed"
    DELIVERED_BEFORE_CONFIRMED = "delivered_before_confirmed"
    PAID_TWICE = "paid_twice"
    PAYMENT_CURRENCY_MISMATCH = "payment_currency_mismatch"
    CANCELLED_AFTER_PAYMENT = "cancelled_after_payment"
    STUCK = "stuck"


class AlertSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. Times are in microseconds."""

    subject: str
    """The kind of thing it is about; the subject's key is that of its enriched record."""
    severity: Severity
    opens: str
    closes: str
    item: str | None = None
    """What ``item`` names where one subject can have several alerts of the kind."""
    details: Mapping[str, str]
    """Name to meaning. Every value is text."""
    after: int = 0
    """How long it has to be so before the alert opens."""
    expires: int | None = None
    """How long after that it closes by itself, because no event of Norce ends it for sure; ``None``: never."""


_SPECS: dict[AlertKind, AlertSpec] = {
    AlertKind.BELOW_COST: AlertSpec(
        subject="product",
        severity=Severity.WARNING,
        opens="a sale price is lower than the cheapest known cost of any supplier",
        closes="the price or the cost changes so that it is not, or the cost is no longer known",
        item="price list and quantity break, such as pricelist_id=1,quantity_break=10",
        details={
            "price": "the sale price",
            "cost": "the cheapest known cost",
            "margin": "price less cost, exact",
            "supplier_id": "who asks that cost",
        },
    ),
    AlertKind.BELOW_MINIMUM_STOCK: AlertSpec(
        subject="product",
        severity=Severity.WARNING,
        opens="the stock of a location was said to be at or below its minimum",
        closes="it is said to be above the minimum. Norce need not say so: by itself, in the end",
        item="place, such as warehouse_id=1,location_id=2",
        details={"on_hand": "the stock", "minimum": "the minimum"},
        expires=30 * DAY,
    ),
    AlertKind.JOB_FAILED: AlertSpec(
        subject="job",
        severity=Severity.WARNING,
        opens="the final outcome of a job that was received last is failed",
        closes="another final outcome is received, or by itself",
        details={"outcome": "the outcome"},
        expires=30 * DAY,
    ),
    AlertKind.JOB_VALIDATION_FAILED: AlertSpec(
        subject="job",
        severity=Severity.WARNING,
        opens="the final outcome of a job that was received last is validation_failed",
        closes="another final outcome is received, or by itself",
        details={"outcome": "the outcome"},
        expires=30 * DAY,
    ),
    AlertKind.CAPTURE_ERROR: AlertSpec(
        subject="invoice",
        severity=Severity.CRITICAL,
        opens="the capture of an invoice ended in an error and no event says that it worked",
        closes="the invoice is captured, or by itself",
        details={"application_id": "the application"},
        expires=30 * DAY,
    ),
    AlertKind.SUBSCRIPTION_FAILING: AlertSpec(
        subject="subscription",
        severity=Severity.WARNING,
        opens="a subscription or recurring order failed as often as the policy says, with no pause as long as expires",
        closes="no further failure comes for that long. Norce does not say when a run succeeds",
        details={
            "failures": "failures since the last such pause",
            "order_keys": "keys of the orders whose baskets failed, comma separated, the last of them",
        },
        expires=40 * DAY,
    ),
    AlertKind.PAID_NOT_CONFIRMED: AlertSpec(
        subject="order",
        severity=Severity.CRITICAL,
        opens="an order has a payment and no status beyond received, for longer than after",
        closes="a status beyond received is stated",
        details={"paid": "currency and sum, comma separated", "payment_codes": "Norce PaymentCodes"},
        after=24 * HOUR,
    ),
    AlertKind.DELIVERED_BEFORE_CONFIRMED: AlertSpec(
        subject="order",
        severity=Severity.WARNING,
        opens="an order was delivered, wholly or in part, and its confirmation has not come within after",
        closes="the confirmation comes, or the order is cancelled",
        details={"status": "the order's status"},
        after=1 * HOUR,
    ),
    AlertKind.PAID_TWICE: AlertSpec(
        subject="order",
        severity=Severity.CRITICAL,
        opens="two payments of an order, with codes of their own, have the same amount and currency",
        closes="by itself; no event of Norce takes a payment back",
        item="amount and currency",
        details={"amount": "the amount", "currency": "the currency", "payment_codes": "Norce PaymentCodes"},
        expires=30 * DAY,
    ),
    AlertKind.PAYMENT_CURRENCY_MISMATCH: AlertSpec(
        subject="order",
        severity=Severity.WARNING,
        opens="the payments of an order name more than one currency, or one payment is stated in two",
        closes="by itself; no event of Norce takes a payment back",
        details={"currencies": "the currencies, comma separated", "payment_codes": "Norce PaymentCodes"},
        expires=30 * DAY,
    ),
    AlertKind.CANCELLED_AFTER_PAYMENT: AlertSpec(
        subject="order",
        severity=Severity.CRITICAL,
        opens="an order is cancelled and has a payment, so money may have to go back",
        closes="by itself; no event of Norce says that money went back",
        details={"paid": "currency and sum, comma separated", "payment_codes": "Norce PaymentCodes"},
        expires=30 * DAY,
    ),
    AlertKind.STUCK: AlertSpec(
        subject="order",
        severity=Severity.NOTICE,
        opens="nothing was received of an order, neither delivered nor cancelled, for longer than after",
        closes="anything new is received",
        details={"status": "the order's status"},
        after=7 * DAY,
    ),
}
CATALOGUE: Mapping[AlertKind, AlertSpec] = MappingProxyType(_SPECS)
"""Every kind of alert."""


class AlertPolicy(msgspec.Struct, frozen=True):
    """When alerts open and close by time, in microseconds, and how many failures are too many."""

    after: Mapping[AlertKind, int]
    expires: Mapping[AlertKind, int | None]
    subscription_failures: int = 3

    @classmethod
    def of(
        cls,
        after: Mapping[str, float] | None = None,
        expires: Mapping[str, float | None] | None = None,
        subscription_failures: int = 3,
    ) -> AlertPolicy:
        """The catalogue's times with some changed. ``after`` and ``expires`` map names of kinds to seconds.

        Raises:
            InvalidPolicy: naming every kind that does not exist and every time that is none.
        """
        problems = [
            (f"{name}.{kind}", "is no kind of alert" if kind not in _SPECS else "must be 0 seconds or more, or null")
            for name, given in (("after", after or {}), ("expires", expires or {}))
            for kind, seconds in given.items()
            if kind not in _SPECS or (seconds is not None and not 0 <= seconds < 100 * 365 * 86_400)
        ]
        if problems:
            raise InvalidPolicy(problems)
        return cls(
            after={kind: spec.after for kind, spec in _SPECS.items()}
            | {AlertKind(kind): round(seconds * 1e6) for kind, seconds in (after or {}).items()},
            expires={kind: spec.expires for kind, spec in _SPECS.items()}
            | {
                AlertKind(kind): None if seconds is None else round(seconds * 1e6)
                for kind, seconds in (expires or {}).items()
            },
            subscription_failures=subscription_failures,
        )


DEFAULT_ALERTS = AlertPolicy.of()
