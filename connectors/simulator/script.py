"""What a scenario is made of: orders with their steps, and the events they lead to."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from connectors.simulator.goods import Line
from connectors.simulator.shops import Shop


class Step(StrEnum):
    """One thing that happens to an order. Each is announced by one event."""

    RECEIVED = "received"
    PAYMENT = "payment"
    """The main payment, complete."""
    PAYMENT_WITHOUT_AMOUNT = "payment_without_amount"
    """The main payment before its amount is known; ``PAYMENT`` restates it."""
    SECOND_PAYMENT = "second_payment"
    """Another card, or a gift card for a part."""
    SUBSCRIPTION_FAILED = "subscription_failed"
    CONFIRMED = "confirmed"
    PARTLY_DELIVERED = "partly_delivered"
    """A second one has the same bytes as the first."""
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    CAPTURE_FAILED = "capture_failed"
    CAPTURED = "captured"


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as Norce holds it. ``code`` is an int32 as text, unique; the amount is in the major unit."""

    code: str
    method: str
    reference: str | None
    amount: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run of a recurring order that failed, as Norce holds it. ``id`` is an int32."""

    id: int
    subscription_id: int
    recurring_order_id: int
    error_message: str


@dataclass(frozen=True, slots=True)
class ScriptedOrder:
    """An order and everything that will happen to it."""

    number: int
    """Counts from 0; the other numbers follow from it and the seed."""
    shop: Shop
    client_order_ref: str
    order_id: int
    first_order_no: str
    """Until the ERP confirms: the reference (Norce docs: the basket id; for external orders assumed)."""
    erp_order_no: str
    source: str
    external: bool
    """Made outside Norce: its ClientOrderRef is text, and Checkout does not know it."""
    buyer: int
    payments: tuple[Payment, ...]
    lines: tuple[Line, ...]
    """They come to what the payments come to."""
    invoice_id: int
    drop_point: str | None
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """The key of the order in the pipeline: tenant, application and reference."""
        return f"{self.shop.client_id}:{self.shop.application_id}:{self.client_order_ref}"


@dataclass(frozen=True, slots=True)
class Change:
    """What an event changes in what Norce holds. ``status`` is a status name of Connect."""

    status: str | None = None
    order_no: str | None = None
    payment: Payment | None = None
    ready_for_pickup: bool = False
    failed_run: FailedRun | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be: its type, the fields of its body, and what changes with it."""

    event_type: str
    fields: dict[str, object]
    change: Change = Change()


@dataclass(frozen=True, slots=True)
class ScriptedEvent:
    """One event to post. ``body`` is posted as it is, every time."""

    number: int
    """Counts from 0 in the order of creation; negative for events that answer a call and stand in no script."""
    event_type: str
    body: bytes
    reference: str | None = None
    """ClientOrderRef of the order that a good event is about."""
    order: ScriptedOrder | None = None
    """The scripted order that Norce has from this event on."""
    change: Change = Change()
    flaw: str | None = None
    """Why the body does not fit its type; None for a good one."""
