"""The orders of Norce Commerce: what is true of each, and what was done to it through Connect.

The truth moves when an event is created, before anyone is told.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from connectors.simulator.goods import Line
from connectors.simulator.script import Change, FailedRun, Payment, ScriptedOrder

STATUS_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "Created": 0,
        "Allocation": 1,
        "Confirmed": 2,
        "Delivered": 4,
        "Invoiced": 5,
        "Cancelled": 6,
        "PartlyDelivered": 8,
    }
)
"""Norce docs: the status numbers of Query. Others are not documented."""

_UNDOCUMENTED = (
    "BackOrder",
    "CreditControl",
    "Acknowledged",
    "ErpConfirmed",
    "ReadyForPickup",
    "PickedUp",
    "NotPickedUp",
    "OnHold",
    "WaitingForCancel",
    "WaitingForOnHoldRemoved",
    "CancelError",
    "AcknowledgementError",
    "ReadyForReservation",
    "Reserved",
)
_FIRST_UNDOCUMENTED = 1_000

_PROGRESS = MappingProxyType(
    {"Created": 0, "Confirmed": 2, "PartlyDelivered": 3, "Delivered": 4, "Invoiced": 5, "Cancelled": 6}
)
"""How far an order is (assumed): Norce does not go back to an earlier one of these."""

_ECHOES = MappingProxyType(
    {
        "Acknowledged": "OrderConfirmedEvent",
        "Cancelled": "OrderCancelledEvent",
        "Confirmed": "OrderConfirmedEvent",
        "Delivered": "OrderDeliveredEvent",
        "ErpConfirmed": "OrderConfirmedEvent",
        "PartlyDelivered": "OrderPartlyDeliveredEvent",
        "ReadyForPickup": "OrderReadyForPickupEvent",
    }
)
"""The event that a status set through Connect fires. Norce docs say so for cancelling; the others are assumed."""


@dataclass(frozen=True, slots=True)
class Update:
    """A call through Connect or Checkout that took effect."""

    call: int
    service: str
    operation: str
    content: Any


@dataclass(slots=True)
class Order:
    """One order of Commerce."""

    client_id: int
    application_id: int
    client_order_ref: str
    order_id: int
    order_no: str
    source: str
    currency: str = "SEK"
    """ISO 4217"""
    lines: tuple[Line, ...] = ()
    status: str = "Created"
    former_numbers: list[str] = field(default_factory=list)
    payments: dict[str, Payment] = field(default_factory=dict)
    infos: dict[str, str | None] = field(default_factory=dict)
    updates: list[Update] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    """How often each identical update took effect, by service and canonical JSON."""
    drop_point: str | None = None
    ready_for_pickup: bool = False
    failed_runs: dict[int, tuple[FailedRun, datetime]] = field(default_factory=dict)
    """Failed runs of a recurring order that this order's basket came of, by id, each with when it failed."""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime | None = None

    @property
    def status_number(self) -> int:
        """The status as Query tells it."""
        if self.status in STATUS_NUMBERS:
            return STATUS_NUMBERS[self.status]
        return _FIRST_UNDOCUMENTED + _UNDOCUMENTED.index(self.status)


Echo = Callable[[str, Order], None]
"""Told the event type that a change through Connect fires, and the order."""


class Commerce:
    """All orders, by reference and by number. References are unique here, which Norce only says of one application."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._orders: dict[str, Order] = {}
        self._numbers: dict[str, Order] = {}
        self._ids: dict[int, Order] = {}
        self._by_application: dict[int, list[Order]] = {}
        self._invoices: dict[int, Order] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def orders(self) -> Iterator[Order]:
        """All orders, oldest first."""
        return iter(self._orders.values())

    def after(self, application_id: int, order_id: int) -> Iterator[Order]:
        """The orders of an application whose id is greater, by id."""
        orders = self._by_application.get(application_id, [])
        for place in range(bisect_right(orders, order_id, key=_id), len(orders)):
            yield orders[place]

    def find(self, client_order_ref: str | None = None, order_no: str | None = None) -> Order | None:
        """An order by its reference, else by a number it has or had."""
        order = self._orders.get(client_order_ref) if client_order_ref is not None else None
        return order or (self._numbers.get(order_no) if order_no is not None else None)

    def with_id(self, order_id: object) -> Order | None:
        """An order by Norce's own id; the first, where a test gave several the same."""
        return self._ids.get(order_id) if isinstance(order_id, int) else None

    def of_invoice(self, invoice_id: object) -> Order | None:
        """The order that an invoice is of."""
        return self._invoices.get(invoice_id) if isinstance(invoice_id, int) else None

    def invoice(self, order: Order, invoice_id: int) -> None:
        """Give an order an invoice."""
        self._invoices[invoice_id] = order

    def add(self, order: Order) -> None:
        """Take an order in.

        Raises:
            ValueError: its reference or number belongs to another one.
        """
        if order.client_order_ref in self._orders or order.order_no in self._numbers:
            raise ValueError(f"order {order.client_order_ref} or number {order.order_no} is there already")
        self._orders[order.client_order_ref] = order
        self._numbers[order.order_no] = order
        self._ids.setdefault(order.order_id, order)
        insort(self._by_application.setdefault(order.application_id, []), order, key=_id)

    def create(self, script: ScriptedOrder) -> Order:
        """The order of a script, taken in if it is new."""
        order = self._orders.get(script.client_order_ref)
        if order is None:
            shop = script.shop
            reference, number = script.client_order_ref, script.first_order_no
            order = Order(shop.client_id, shop.application_id, reference, script.order_id, number, script.source)
            order.drop_point = script.drop_point
            order.currency, order.lines = shop.currency, script.lines
            self.add(order)
            self.invoice(order, script.invoice_id)
        return order

    def change(self, order: Order, change: Change) -> None:
        """What an event of the script changes."""
        if change.status is not None:
            order.status = change.status
        if change.order_no is not None:
            self._renumber(order, change.order_no)
        if change.payment is not None:
            order.payments[change.payment.code] = change.payment
        order.updated = datetime.now(UTC)
        order.ready_for_pickup |= change.ready_for_pickup
        if change.failed_run is not None:
            order.failed_runs[change.failed_run.id] = (change.failed_run, order.updated)

    def set_status(self, order: Order, status: str) -> bool:
        """What a call asks for. False if the order is further already and keeps its status."""
        held, asked = _PROGRESS.get(order.status), _PROGRESS.get(status)
        if held is not None and asked is not None and asked < held:
            return False
        changed = order.status != status
        order.status = status
        order.updated = datetime.now(UTC)
        if changed and status in _ECHOES:
            self._echo(_ECHOES[status], order)
        return True

    def set_number(self, order: Order, order_no: str) -> bool:
        """The ERP's number from a call. False if it is a former one or another order's, so nothing changes."""
        if order_no == order.order_no:
            return True
        if order_no in self._numbers:
            return False
        self._renumber(order, order_no)
        return True

    def _renumber(self, order: Order, order_no: str) -> None:
        if order_no != order.order_no:
            order.former_numbers.append(order.order_no)
            order.order_no = order_no
            self._numbers[order_no] = order


def _id(order: Order) -> int:
    return order.order_id
