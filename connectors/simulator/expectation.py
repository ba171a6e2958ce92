"""What has to come out of a scenario, read off its script: no event is folded and no rule of the pipeline is used."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from connectors.simulator.goods import VAT_RATE
from connectors.simulator.script import ScriptedEvent, ScriptedOrder, Step

_STATUS_STEPS = (
    Step.RECEIVED,
    Step.CONFIRMED,
    Step.PARTLY_DELIVERED,
    Step.READY_FOR_PICKUP,
    Step.DELIVERED,
    Step.CANCELLED,
)
_PAYMENT_STEPS = MappingProxyType({Step.PAYMENT: 0, Step.SECOND_PAYMENT: 1})


@dataclass(frozen=True, slots=True)
class ExpectedOrder:
    """How one order ends."""

    status: str
    """received, confirmed, partly_delivered, ready_for_pickup, delivered or cancelled"""
    paid: Mapping[str, Decimal]
    """Currency (ISO 4217) to amount in the major unit; a cancelled order keeps what was paid."""
    payments: int
    order_no: str
    """The number Norce holds in the end."""
    subscription_failures: int
    external: bool
    total: Decimal
    """With VAT, in the shop's currency."""
    currency: str
    lines: int
    invoice: str
    """Key of the invoice that a capture is of: ``ClientId:CapturedInvoiceId``."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the whole scenario comes to, if every event arrives at least once."""

    events: Mapping[str, int]
    """Good events by type, without repeats."""
    flawed: Mapping[str, int]
    """Events that belong into quarantine, by flaw."""
    orders: Mapping[str, ExpectedOrder]
    """By the order's key ``ClientId:ApplicationId:ClientOrderRef``."""

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many orders end in each status."""
        return Counter(order.status for order in self.orders.values())


def expectation(orders: Iterable[ScriptedOrder], events: Iterable[ScriptedEvent]) -> Expectation:
    """What these orders and events come to."""
    good: Counter[str] = Counter()
    flawed: Counter[str] = Counter()
    for event in events:
        if event.flaw is None:
            good[event.event_type] += 1
        else:
            flawed[event.flaw] += 1
    return Expectation(dict(good), dict(flawed), {order.key: _end_of(order) for order in orders})


def _end_of(order: ScriptedOrder) -> ExpectedOrder:
    payments = [order.payments[_PAYMENT_STEPS[step]] for step in order.steps if step in _PAYMENT_STEPS]
    paid: dict[str, Decimal] = {}
    for payment in payments:
        if payment.amount is not None and payment.currency is not None:
            paid[payment.currency] = paid.get(payment.currency, Decimal(0)) + payment.amount
    return ExpectedOrder(
        status=[step for step in order.steps if step in _STATUS_STEPS][-1].value,
        paid=paid,
        payments=len(payments),
        order_no=order.erp_order_no if Step.CONFIRMED in order.steps else order.first_order_no,
        subscription_failures=order.steps.count(Step.SUBSCRIPTION_FAILED),
        external=order.external,
        total=sum((line.amount for line in order.lines), Decimal(0)) * (100 + VAT_RATE) / 100,
        currency=order.shop.currency,
        lines=len(order.lines),
        invoice=f"{order.shop.client_id}:{order.invoice_id}",
    )
