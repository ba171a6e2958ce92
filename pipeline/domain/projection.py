"""The facts of an order that can be pushed to Norce, and how each reads there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import accumulate
from typing import Any

from pipeline.domain.limits import MAX_INFO_VALUE
from pipeline.domain.records import AttributeValue, Info, OrderStatus, PaymentState, SubscriptionFailure

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


def info_writer(fact: ConnectFact, code: str) -> tuple[str, Callable[[Any], list[Info]]]:
    """The field of the view that a fact is read from, and a function from that field to its Infos."""
    field, text_of = INFOS[fact]
    if CURRENCY in code:
        return field, lambda paid: [Info(code.replace(CURRENCY, currency), amount) for currency, amount in paid.items()]

    def write(value: Any) -> list[Info]:
        text = text_of(value)
        return [Info(code, text)] if text else []

    return field, write


def listed(values: Iterable[str | None]) -> str:
    """Distinct values, sorted and comma separated. Those that do not fit are counted: ``A, B, +3``."""
    distinct = sorted({value for value in values if value})
    text = ", ".join(distinct)
    if len(text) <= MAX_INFO_VALUE:
        return text
    lengths = accumulate(len(value) + len(", ") for value in distinct)
    kept = sum(1 for length in lengths if length <= MAX_INFO_VALUE - _ROOM_FOR_COUNT)
    return ", ".join([*distinct[:kept], f"+{len(distinct) - kept}"])


def _failures(failures: Iterable[SubscriptionFailure]) -> int:
    return sum([failure.occurrences for failure in failures])


def _number(value: int) -> str:
    return str(value) if value else ""


# Every fact is a function of one field of the view, so a policy can tell by its fields alone that nothing it says has
# changed: most changes of an order are none for Connect.

INFOS: Mapping[ConnectFact, tuple[str, Callable[[Any], str]]] = {
    ConnectFact.STATUS: ("status", lambda status: "" if status is OrderStatus.UNKNOWN else status),
    ConnectFact.PAYMENT_STATE: ("payment_state", lambda state: "" if state is PaymentState.NO_PAYMENT else state),
    ConnectFact.PAID_AMOUNT: (
        "paid",
        lambda paid: listed([f"{amount} {currency}" for currency, amount in paid.items()]),
    ),
    ConnectFact.PAYMENT_COUNT: ("payments", lambda payments: _number(len(payments))),
    ConnectFact.PAYMENT_CODES: ("payments", lambda payments: listed([payment.payment_code for payment in payments])),
    ConnectFact.PAYMENT_METHODS: (
        "payments",
        lambda payments: listed([payment.payment_method for payment in payments]),
    ),
    ConnectFact.PAYMENT_REFS: ("payments", lambda payments: listed([payment.payment_ref for payment in payments])),
    ConnectFact.SUBSCRIPTION_FAILURES: ("subscription_failures", lambda failures: _number(_failures(failures))),
    ConnectFact.SUBSCRIPTION_ERRORS: (
        "subscription_failures",
        lambda failures: listed([failure.error_message for failure in failures]),
    ),
    ConnectFact.DROP_POINTS: ("drop_points", listed),
    ConnectFact.CONFLICTS: ("conflicts", lambda conflicts: listed([conflict.field for conflict in conflicts])),
}
"""The field of the view that each fact is read from, and its text; an empty one has nothing to say."""

ATTRIBUTES: Mapping[CheckoutFact, tuple[str, Callable[[Any], AttributeValue | None]]] = {
    CheckoutFact.STATUS: ("status", lambda status: status),
    CheckoutFact.STATUSES: ("statuses", lambda statuses: list(statuses) or None),
    CheckoutFact.ORDER_ID: ("order_id", lambda order_id: None if order_id is None else str(order_id)),
    CheckoutFact.ORDER_NO: ("order_no", lambda order_no: order_no),
    CheckoutFact.PAYMENT_STATE: ("payment_state", lambda state: state),
    CheckoutFact.PAID: ("paid", lambda paid: paid or None),
    CheckoutFact.PAYMENT_CODES: ("payments", lambda payments: [payment.payment_code for payment in payments] or None),
    CheckoutFact.SUBSCRIPTION_FAILURES: ("subscription_failures", lambda failures: _failures(failures) or None),
    CheckoutFact.DROP_POINTS: ("drop_points", lambda points: list(points) or None),
    CheckoutFact.CONFLICTS: ("conflicts", lambda conflicts: sorted({each.field for each in conflicts}) or None),
}
"""The field of the view that each attribute is read from, and its value, ``None`` while nothing is known. The version
is added to an update, not compared."""
