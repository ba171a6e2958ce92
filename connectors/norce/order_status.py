"""The statuses an order can have in Norce Commerce, by name (Connect) and by number (Query)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from connectors.norce.errors import UnknownOrderStatus


class OrderStatus(StrEnum):
    """Norce docs: the values of ``OrderStatus`` in SendOrderStatus; the union of an older and the current page."""

    CREATED = "Created"
    ALLOCATION = "Allocation"
    CONFIRMED = "Confirmed"
    BACK_ORDER = "BackOrder"
    DELIVERED = "Delivered"
    INVOICED = "Invoiced"
    CANCELLED = "Cancelled"
    CREDIT_CONTROL = "CreditControl"
    PARTLY_DELIVERED = "PartlyDelivered"
    ACKNOWLEDGED = "Acknowledged"
    ERP_CONFIRMED = "ErpConfirmed"
    READY_FOR_PICKUP = "ReadyForPickup"
    PICKED_UP = "PickedUp"
    NOT_PICKED_UP = "NotPickedUp"
    ON_HOLD = "OnHold"
    WAITING_FOR_CANCEL = "WaitingForCancel"
    WAITING_FOR_ON_HOLD_REMOVED = "WaitingForOnHoldRemoved"
    CANCEL_ERROR = "CancelError"
    ACKNOWLEDGEMENT_ERROR = "AcknowledgementError"
    READY_FOR_RESERVATION = "ReadyForReservation"
    RESERVED = "Reserved"


QUERY_STATUSES: Mapping[int, OrderStatus] = MappingProxyType(
    {
        0: OrderStatus.CREATED,
        1: OrderStatus.ALLOCATION,
        2: OrderStatus.CONFIRMED,
        4: OrderStatus.DELIVERED,
        5: OrderStatus.INVOICED,
        6: OrderStatus.CANCELLED,
        8: OrderStatus.PARTLY_DELIVERED,
    }
)
"""Norce docs: ``StatusId`` of an order in Query. Other numbers exist; what they mean is not documented."""


def status_named(name: str) -> OrderStatus:
    """The status with a name as Connect spells it.

    Raises:
        UnknownOrderStatus: there is none.
    """
    try:
        return OrderStatus(name)
    except ValueError:
        raise UnknownOrderStatus(f"Connect knows no order status {name!r}") from None


def status_numbered(number: int) -> OrderStatus:
    """The status with a number as Query gives it.

    Raises:
        UnknownOrderStatus: the number is not documented.
    """
    try:
        return QUERY_STATUSES[number]
    except KeyError:
        raise UnknownOrderStatus(f"Query's order status {number} has no known name in Connect") from None
