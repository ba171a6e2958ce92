"""The statuses that an order can have in Norce Commerce, by the names that Connect gives them."""

from __future__ import annotations

from enum import StrEnum


class NorceOrderStatus(StrEnum):
    """Every ``OrderStatus`` of SendOrderStatus in Connect: the union of an older and the current page (Norce docs)."""

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
