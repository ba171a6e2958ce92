"""Reading Checkout orders, leniently, and choosing the one that a Commerce order came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

DONE = frozenset({"accepted", "completed"})
"""Norce docs: the buyer is done (accepted) and all is settled (completed)."""

REMOVED = "removed"
"""A state Norce does not describe; taken to mean deleted (assumed)."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What is read of a Checkout order; the buyer's data is passed over. ``status`` is in lower case."""

    id: str
    status: str | None
    created: datetime | None
    cart_reference: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of orders: ``size`` as sent, unreadable ones included; ``total`` over all pages, if it says."""

    orders: tuple[CheckoutOrder, ...]
    size: int
    total: int | None


def read_page(document: Any) -> Page:
    """A page of orders from the answer's JSON. Orders without an id are left out.

    Raises:
        ValueError: it is not a page.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise ValueError("no list named data")
    total = _get(document, "pagination", "totalSize")
    orders = tuple(order for item in data if (order := _read_order(item)) is not None)
    return Page(orders, len(data), total if isinstance(total, int) else None)


def choose(orders: Iterable[CheckoutOrder], cart_reference: str) -> CheckoutOrder | None:
    """The order made from a basket: one the buyer completed, else the newest; None if there is none.

    Norce allows several orders per basket; the rule for choosing is ours. Orders that say they belong to another basket
    are never chosen: a search that passes over its filter must not lead to a stranger's order.
    """
    candidates = [
        order for order in orders if order.status != REMOVED and order.cart_reference in (None, cart_reference)
    ]
    return max(candidates, key=lambda order: (order.status in DONE, order.created or _LONG_AGO, order.id), default=None)


def _read_order(item: Any) -> CheckoutOrder | None:
    identity = _get(item, "id")
    if not isinstance(identity, str) or not identity:
        return None
    status = _get(item, "state", "currentStatus")
    reference = _get(item, "cart", "reference")
    return CheckoutOrder(
        id=identity,
        status=status.lower() if isinstance(status, str) else None,
        created=_time(_get(item, "created")),
        cart_reference=None if reference is None else str(reference),
    )


def _get(value: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
