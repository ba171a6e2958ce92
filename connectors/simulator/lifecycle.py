"""How orders live: which steps they take, and the event of each step."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from types import MappingProxyType

from connectors.simulator.draws import generator
from connectors.simulator.goods import lines
from connectors.simulator.script import Change, Draft, FailedRun, Payment, ScriptedOrder, Step
from connectors.simulator.shops import SHOPS

MAX_ORDERS = 10_000_000
"""Orders of one scenario; the numbers of another seed's orders begin after that many."""

SEEDS_APART = 200
"""Seeds that differ by less than this have no order in common; more would not fit an int32 ClientOrderRef."""

_S = Step
_PAID = (_S.RECEIVED, _S.PAYMENT, _S.CONFIRMED)

LIFE_CYCLES: tuple[tuple[int, tuple[Step, ...]], ...] = (
    (28, (*_PAID, _S.DELIVERED)),
    (12, _PAID),
    (8, (*_PAID, _S.PARTLY_DELIVERED, _S.PARTLY_DELIVERED, _S.DELIVERED)),
    (5, (*_PAID, _S.PARTLY_DELIVERED)),
    (12, (_S.RECEIVED, _S.CONFIRMED, _S.PAYMENT, _S.READY_FOR_PICKUP, _S.DELIVERED)),
    (3, (_S.RECEIVED, _S.CONFIRMED, _S.PAYMENT, _S.READY_FOR_PICKUP)),
    (10, (_S.RECEIVED, _S.SECOND_PAYMENT, _S.PAYMENT, _S.CONFIRMED, _S.DELIVERED)),
    (5, (_S.RECEIVED, _S.CANCELLED)),
    (6, (*_PAID, _S.CANCELLED)),
    (3, (_S.RECEIVED,)),
    (5, (_S.RECEIVED, _S.SUBSCRIPTION_FAILED, _S.PAYMENT, _S.CONFIRMED, _S.DELIVERED)),
    (3, (_S.RECEIVED, _S.SUBSCRIPTION_FAILED)),
)
"""Weights and steps. What follows varies them: external orders, restated payments, captures of the invoice."""

_PHONES = 95  # +46 70 174 06 05 to 06 99 are set aside for fiction by the Swedish numbering plan
_EXTERNAL_REFERENCES = ("MP-{0}", "POS:{0}:1", "{0}/A", "MP '{0}'")  # with all that may go wrong on the way


def order(seed: int, number: int) -> ScriptedOrder:
    """The order with this number; nothing else decides what it is."""
    rng = generator(seed, "order", number)
    serial = 1_000_000 + (seed % SEEDS_APART) * MAX_ORDERS + number
    steps = rng.choices([steps for _, steps in LIFE_CYCLES], [weight for weight, _ in LIFE_CYCLES])[0]
    external = rng.random() < 0.1 and Step.SUBSCRIPTION_FAILED not in steps
    shop = rng.choice(SHOPS)
    reference = rng.choice(_EXTERNAL_REFERENCES).format(serial) if external else str(serial)
    script = ScriptedOrder(
        number=number,
        shop=shop,
        client_order_ref=reference,
        order_id=7_000_000_000 + serial,
        first_order_no=reference,
        erp_order_no=f"SO{serial}",
        source=rng.choice(("MARKETPLACE", "POS")) if external else "WEB",
        external=external,
        buyer=rng.randrange(1_000),
        payments=_payments(rng, serial, shop.currency, Step.SECOND_PAYMENT in steps),
        lines=(),
        invoice_id=serial,
        drop_point=rng.choice((None, "DP-1", "DP-2")),
        steps=_varied(rng, steps),
    )
    total = sum((payment.amount for payment in script.payments if payment.amount is not None), Decimal(0))
    return replace(script, lines=lines(total, generator(seed, "lines", number)))


def drafts(order: ScriptedOrder) -> Iterator[Draft]:
    """The events of an order's steps."""
    order_no = order.first_order_no
    failures = 0
    for step in order.steps:
        if step is Step.CONFIRMED:
            order_no = order.erp_order_no
        failures += step is Step.SUBSCRIPTION_FAILED
        yield _EVENTS[step](order, order_no, failures)


def _payments(rng: Random, serial: int, currency: str, two: bool) -> tuple[Payment, ...]:
    total = Decimal(rng.randrange(9_900, 499_900)) / 100
    code = 2 * (serial % 1_000_000_000)
    method, other = rng.sample(("CARD", "INVOICE", "SWISH", "MOBILEPAY"), 2)
    if not two:
        return (Payment(str(code), method, f"PSP-{code}", total, currency),)
    part = Decimal(rng.randrange(1_000, int(total * 100) - 1_000)) / 100
    other = rng.choice(("GIFTCARD", other))
    return (
        Payment(str(code), method, f"PSP-{code}", total - part, currency),
        Payment(str(code + 1), other, f"PSP-{code + 1}", part, currency),
    )


def _varied(rng: Random, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    varied = list(steps)
    if Step.PAYMENT in varied and rng.random() < 0.15:
        varied.insert(varied.index(Step.PAYMENT), Step.PAYMENT_WITHOUT_AMOUNT)
    if Step.SUBSCRIPTION_FAILED in varied and rng.random() < 0.4:
        varied.insert(varied.index(Step.SUBSCRIPTION_FAILED), Step.SUBSCRIPTION_FAILED)
    if varied[-1] is Step.DELIVERED and Step.PAYMENT in varied and rng.random() < 0.3:
        varied += [Step.CAPTURE_FAILED, Step.CAPTURED] if rng.random() < 0.3 else [Step.CAPTURED]
    return tuple(varied)


def _shop(order: ScriptedOrder) -> dict[str, object]:
    return {"ClientId": order.shop.client_id, "ApplicationId": order.shop.application_id}


def _person(order: ScriptedOrder) -> dict[str, object]:
    """Some shops ask for no phone number, and some send null for it."""
    phone = f"+467017406{5 + order.buyer % _PHONES:02}"
    phones: tuple[dict[str, object], ...] = ({"CellPhone": phone}, {"CellPhone": phone}, {"CellPhone": None}, {})
    return {**phones[order.buyer % 4], "FirstName": "Test", "LastName": f"Buyer {order.buyer}"}


def _received(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
    email = {"Email": f"buyer{order.buyer}@example.com"}
    fields = {**_shop(order), "ClientOrderRef": order.client_order_ref, **email, **_person(order)}
    return Draft("OrderReceivedEvent", {**fields, "Source": order.source}, Change(status="Created"))


def _status(event_type: str, change: Change) -> Callable[[ScriptedOrder, str, int], Draft]:
    def draft(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
        fields = {**_shop(order), "OrderId": order.order_id, "OrderNo": order_no}
        fields |= {"ClientOrderRef": order.client_order_ref, **_person(order), "Source": order.source}
        return Draft(event_type, fields, replace(change, order_no=order_no))

    return draft


def _ready_for_pickup(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
    # Being ready is a matter of parcels (Norce docs: parcel status 11); the order's own status stays.
    draft = _status("OrderReadyForPickupEvent", Change(ready_for_pickup=True))(order, order_no, failures)
    if order.drop_point is None:
        return draft
    return replace(draft, fields={**draft.fields, "DropPointCode": order.drop_point})


def _payment(index: int, *, complete: bool = True) -> Callable[[ScriptedOrder, str, int], Draft]:
    def draft(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
        held = order.payments[index]
        payment = held if complete else replace(held, reference=None, amount=None, currency=None)
        fields = {**_shop(order), "ClientOrderRef": order.client_order_ref, "ErpOrderNo": order_no}
        fields |= {"PaymentCode": payment.code, "PaymentMethodCode": payment.method, "PaymentRef": payment.reference}
        amount = None if payment.amount is None else float(payment.amount)  # its shortest text is the amount again
        fields |= {"Amount": amount, "CurrencyCode": payment.currency}
        return Draft("OrderPaymentReceivedEvent", fields, Change(payment=payment))

    return draft


def _subscription_failed(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
    run = FailedRun(10 * order.number + failures, 5_000 + order.buyer, 6_000 + order.buyer, _decline(order, failures))
    fields = {**_shop(order), "SubscriptionId": run.subscription_id, "RecurringOrderId": run.recurring_order_id}
    fields |= {"RecurringOrderScheduleId": run.id, "BasketId": int(order.client_order_ref)}
    fields |= {"Email": f"buyer{order.buyer}@example.com", **_person(order), "ErrorMessage": run.error_message}
    return Draft("SubscriptionFailedEvent", fields, Change(failed_run=run))


def _decline(order: ScriptedOrder, failures: int) -> str:
    """Free text as payment providers write it, with a person in it every other time."""
    return f"Charge {failures} was declined" + (f", ask buyer{order.buyer}@example.com" if order.buyer % 2 else "")


def _capture(state: str, change: Change) -> Callable[[ScriptedOrder, str, int], Draft]:
    def draft(order: ScriptedOrder, order_no: str, failures: int) -> Draft:
        fields = {**_shop(order), "CapturedInvoiceId": order.invoice_id, "State": state}
        return Draft("InvoiceCaptureCompletedEvent", fields, change)

    return draft


_EVENTS = MappingProxyType(
    {
        Step.RECEIVED: _received,
        Step.PAYMENT: _payment(0),
        Step.PAYMENT_WITHOUT_AMOUNT: _payment(0, complete=False),
        Step.SECOND_PAYMENT: _payment(1),
        Step.SUBSCRIPTION_FAILED: _subscription_failed,
        Step.CONFIRMED: _status("OrderConfirmedEvent", Change(status="Confirmed")),
        Step.PARTLY_DELIVERED: _status("OrderPartlyDeliveredEvent", Change(status="PartlyDelivered")),
        Step.READY_FOR_PICKUP: _ready_for_pickup,
        Step.DELIVERED: _status("OrderDeliveredEvent", Change(status="Delivered")),
        Step.CANCELLED: _status("OrderCancelledEvent", Change(status="Cancelled")),
        Step.CAPTURE_FAILED: _capture("Error", Change()),
        Step.CAPTURED: _capture("Captured", Change(status="Invoiced")),
    }
)
