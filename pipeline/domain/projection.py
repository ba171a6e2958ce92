"""The facts of an order that can be pushed to Norce, and how each reads there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import accumulate

from pipeline.domain.limits import MAX_INFO_VALUE
from pipeline.domain.records import AttributeValue, Info, OrderStatus, OrderView

CURRENCY = "{currency}"
"""Stands in the code of an Info for the currency, so that each currency has an Info of its own."""

_ROOM_FOR_COUNT = len("+999")


class ConnectFact(StrEnum):
    """A fact that can be pushed to Connect as an Info. One that has nothing to say is left out of the call."""

    STATUS = "status"
    """The order's status here; nothing while it is unknown."""
    PAYMENT_STATE = "payment_state"
    """``payment_received``; nothing before a payment."""
    PAID_AMOUNT = "paid_amount"
    """What was paid: one Info per currency if the code has ``{currency}`` in it, else one that lists them all."""
    PAYMENT_COUNT = "payment_count"
    PAYMENT_CODES = "payment_codes"
    PAYMENT_METHODS = "payment_methods"
    """Distinct methods. Which was last cannot be told: the order of receipt is not the order of payment."""
    PAYMENT_REFS = "payment_refs"
    SUBSCRIPTION_FAILURES = "subscription_failures"
    """How often a renewal failed."""
    SUBSCRIPTION_ERRORS = "subscription_errors"
    """The distinct error messages: free text from Norce that may name a person, so off by default."""
    DROP_POINTS = "drop_points"
    CONFLICTS = "conflicts"
    """The fields that events contradict each other about."""


class CheckoutFact(StrEnum):
    """A fact that can be pushed to Checkout as an attribute of the same name. One that is not known is left out."""

    STATUS = "status"
    STATUSES = "statuses"
    ORDER_ID = "order_id"
    """As text: it has 64 bits, and JSON readers often have 53."""
    ORDER_NO = "order_no"
    PAYMENT_STATE = "payment_state"
    PAID = "paid"
    PAYMENT_CODES = "payment_codes"
    SUBSCRIPTION_FAILURES = "subscription_failures"
    """How often a renewal failed."""
    DROP_POINTS = "drop_points"
    CONFLICTS = "conflicts"
    """The fields that events contradict each other about."""
    VERSION = "version"
    """Goes along with a push and is never the reason for one."""


def info_writer(fact: ConnectFact, code: str) -> Callable[[OrderView], list[Info]]:
    """A function from a view to the Infos of one fact."""
    if CURRENCY in code:
        return lambda view: [Info(code.replace(CURRENCY, currency), amount) for currency, amount in view.paid.items()]
    value_of = INFOS[fact]

    def write(view: OrderView) -> list[Info]:
        value = value_of(view)
        return [Info(code, value)] if value else []

    return write


def listed(values: Iterable[str | None]) -> str:
    """Distinct values, sorted and comma separated. Those that do not fit are counted: ``A, B, +3``."""
    distinct = sorted({value for value in values if value})
    text = ", ".join(distinct)
    if len(text) <= MAX_INFO_VALUE:
        return text
    lengths = accumulate(len(value) + len(", ") for value in distinct)
    kept = sum(1 for length in lengths if length <= MAX_INFO_VALUE - _ROOM_FOR_COUNT)
    return ", ".join([*distinct[:kept], f"+{len(distinct) - kept}"])


def _failures(view: OrderView) -> int:
    return sum([failure.occurrences for failure in view.subscription_failures])


def _number(value: int) -> str:
    return str(value) if value else ""


INFOS: Mapping[ConnectFact, Callable[[OrderView], str]] = {
    ConnectFact.STATUS: lambda view: "" if view.status is OrderStatus.UNKNOWN else view.status,
    ConnectFact.PAYMENT_STATE: lambda view: view.payment_state if view.payments else "",
    ConnectFact.PAID_AMOUNT: lambda view: listed([f"{amount} {currency}" for currency, amount in view.paid.items()]),
    ConnectFact.PAYMENT_COUNT: lambda view: _number(len(view.payments)),
    ConnectFact.PAYMENT_CODES: lambda view: listed([payment.payment_code for payment in view.payments]),
    ConnectFact.PAYMENT_METHODS: lambda view: listed([payment.payment_method for payment in view.payments]),
    ConnectFact.PAYMENT_REFS: lambda view: listed([payment.payment_ref for payment in view.payments]),
    ConnectFact.SUBSCRIPTION_FAILURES: lambda view: _number(_failures(view)),
    ConnectFact.SUBSCRIPTION_ERRORS: lambda view: listed([item.error_message for item in view.subscription_failures]),
    ConnectFact.DROP_POINTS: lambda view: listed(view.drop_points),
    ConnectFact.CONFLICTS: lambda view: listed([conflict.field for conflict in view.conflicts]),
}
"""The text of each fact; an empty one has nothing to say."""

ATTRIBUTES: Mapping[CheckoutFact, Callable[[OrderView], AttributeValue | None]] = {
    CheckoutFact.STATUS: lambda view: view.status,
    CheckoutFact.STATUSES: lambda view: list(view.statuses) or None,
    CheckoutFact.ORDER_ID: lambda view: None if view.order_id is None else str(view.order_id),
    CheckoutFact.ORDER_NO: lambda view: view.order_no,
    CheckoutFact.PAYMENT_STATE: lambda view: view.payment_state,
    CheckoutFact.PAID: lambda view: view.paid or None,
    CheckoutFact.PAYMENT_CODES: lambda view: [payment.payment_code for payment in view.payments] or None,
    CheckoutFact.SUBSCRIPTION_FAILURES: lambda view: _failures(view) or None,
    CheckoutFact.DROP_POINTS: lambda view: list(view.drop_points) or None,
    CheckoutFact.CONFLICTS: lambda view: sorted({conflict.field for conflict in view.conflicts}) or None,
}
"""The value of each attribute, ``None`` while nothing is known. The version is added to an update, not compared."""
