"""The statuses an order can have in Norce Commerce, by name (Connect) and by number (Query)."""

from collections.abc import Mapping
from types import MappingProxyType

from connectors.norce.errors import UnknownOrderStatus
from pipeline.events import NorceOrderStatus

QUERY_STATUSES: Mapping[int, NorceOrderStatus] = MappingProxyType(
    {
        0: NorceOrderStatus.CREATED,
        1: NorceOrderStatus.ALLOCATION,
        2: NorceOrderStatus.CONFIRMED,
        4: NorceOrderStatus.DELIVERED,
        5: NorceOrderStatus.INVOICED,
        6: NorceOrderStatus.CANCELLED,
        8: NorceOrderStatus.PARTLY_DELIVERED,
    }
)
"""Norce docs: ``StatusId`` of an order in Query. Other numbers exist; what they mean is not documented."""


def status_named(name: str) -> NorceOrderStatus:
    """The status with a name as Connect spells it.

    Raises:
        UnknownOrderStatus: there is none.
    """
    try:
        return NorceOrderStatus(name)
    except ValueError:
        raise UnknownOrderStatus(f"Connect knows no order status {name!r}") from None


def status_numbered(number: int) -> NorceOrderStatus:
    """The status with a number as Query gives it.

    Raises:
        UnknownOrderStatus: the number is not documented.
    """
    try:
        return QUERY_STATUSES[number]
    except KeyError:
        raise UnknownOrderStatus(f"Query's order status {number} has no known name in Connect") from None
