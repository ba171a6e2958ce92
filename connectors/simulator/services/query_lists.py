"""What Commerce Query lists for a sweep: orders and failed runs, by application, time of change and id.

Only the filters that the sweep sends are simulated. They are OData's; the names of the fields are documented for
orders, and assumed for failed runs and for what is expanded.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectors.simulator.commerce import Commerce, Order
from connectors.simulator.script import FailedRun

_TIME = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
_ORDERS = re.compile(
    r"ApplicationId eq (\d+) and Id gt (-?\d+) and "
    rf"\(\(Updated ge {_TIME} and Updated lt {_TIME}\) or "
    rf"\(Updated eq null and Created ge {_TIME} and Created lt {_TIME}\)\)"
)
_RUNS = re.compile(
    rf"ApplicationId eq (\d+) and Id gt (-?\d+) and ErrorMessage ne null and Updated ge {_TIME} and Updated lt {_TIME}"
)
CUSTOMER_ORDER, EXTERNAL_ORDER = 1, 5
"""Norce docs: types of orders."""
PACKAGE_READY = 11
"""Norce docs: status of a package that can be collected."""


def changed_orders(commerce: Commerce, condition: str) -> Iterator[Order] | None:
    """The orders that a sweep's filter asks for, by id; None for another kind of filter."""
    match = _ORDERS.fullmatch(condition)
    if match is None:
        return None
    first, end = _times(match, 3)
    orders = commerce.after(int(match[1]), int(match[2]))
    return (order for order in orders if first <= (order.updated or order.created) < end)


def failed_runs(commerce: Commerce, condition: str) -> Iterator[tuple[Order, FailedRun, datetime]] | None:
    """The failed runs that a sweep's filter asks for, by id, each with its order and time; None as above."""
    match = _RUNS.fullmatch(condition)
    if match is None:
        return None
    first, end = _times(match, 3)
    runs = (
        (order, *run)
        for order in commerce.after(int(match[1]), -1)
        for number, run in order.failed_runs.items()
        if number > int(match[2]) and first <= run[1] < end
    )
    return iter(sorted(runs, key=lambda run: run[1].id))


def for_sweeps(order: Order) -> dict[str, Any]:
    """What an order's row has besides what every look-up gets."""
    packages = [{"StatusId": PACKAGE_READY}] if order.ready_for_pickup else []
    return {
        "ClientId": order.client_id,
        "TypeId": CUSTOMER_ORDER if order.source == "WEB" else EXTERNAL_ORDER,
        "Created": written(order.created),
        "Updated": order.updated and written(order.updated),
        "DropPointCode": order.drop_point,
        "DeliveryNotes": [{"Packages": packages}] if packages else [],
    }


def shown_run(order: Order, run: FailedRun, failed: datetime) -> dict[str, Any]:
    """A failed run as its row shows it."""
    return {
        "Id": run.id,
        "ClientId": order.client_id,
        "ApplicationId": order.application_id,
        "RecurringOrderId": run.recurring_order_id,
        "SubscriptionId": run.subscription_id,
        "QuotationId": int(order.client_order_ref),
        "ErrorMessage": run.error_message,
        "Updated": written(failed),
    }


def written(time: datetime) -> str:
    """A time as OData writes it."""
    return time.isoformat().replace("+00:00", "Z")


def _times(match: re.Match[str], group: int) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(match[group]), datetime.fromisoformat(match[group + 1])
