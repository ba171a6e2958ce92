"""The view of an order: what its facts come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.domain import facts
from pipeline.domain.conflicts import report, settle
from pipeline.domain.history import history
from pipeline.domain.keys import OrderKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.lookups import OrderLookedUp
from pipeline.domain.payments import Stated, paid, payments_of
from pipeline.domain.records import Conflict, OrderStatus, OrderView, PaymentState
from pipeline.domain.state import State, version
from pipeline.domain.subscription import failures_of
from pipeline.domain.times import rfc3339

STATUS: Mapping[type[facts.Fact], OrderStatus] = {
    facts.Received: OrderStatus.RECEIVED,
    facts.Confirmed: OrderStatus.CONFIRMED,
    facts.PartlyDelivered: OrderStatus.PARTLY_DELIVERED,
    facts.ReadyForPickup: OrderStatus.READY_FOR_PICKUP,
    facts.Delivered: OrderStatus.DELIVERED,
    facts.Cancelled: OrderStatus.CANCELLED,
}
RANK: Mapping[type[facts.Fact], int] = {
    kind: rank for rank, kind in enumerate(sorted(STATUS, key=lambda kind: tuple(OrderStatus).index(STATUS[kind])), 1)
}
_PAYMENT_RANK = 0  # below every status


def order_view(key: OrderKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> OrderView:
    """The order as its facts tell it, a function of the state alone. ``repeat_window`` is in microseconds.

    Only times, ``version`` and numbers of occurrences depend on when events were received, and on nothing else does it
    matter how often or in which order.

    Raises:
        ValueError: the state is empty.
    """
    found: list[Conflict] = []
    about = _Facts.of(state)
    payments = payments_of(about.payments, key.client_order_ref, found)
    statuses = _statuses(about.statuses, found)
    past = history(state, repeat_window)
    return OrderView(
        client_id=key.client_id,
        application_id=key.application_id,
        client_order_ref=key.client_order_ref,
        order_id=_order_id(about.numbered, found),
        order_no=_order_no(key.client_order_ref, about, found),
        source=_source(about.statuses, found),
        status=statuses[-1] if statuses else OrderStatus.UNKNOWN,
        statuses=statuses,
        payment_state=PaymentState.PAYMENT_RECEIVED if payments else PaymentState.NO_PAYMENT,
        payments=payments,
        paid=paid(payments),
        payments_without_amount=sum([payment.amount is None for payment in payments]),
        payments_without_currency=sum(
            [payment.amount is not None and payment.currency is None for payment in payments]
        ),
        subscription_failures=failures_of(state, repeat_window),
        drop_points=_drop_points(about.numbered),
        conflicts=tuple(found),
        timeline=past.timeline,
        timeline_omitted=past.timeline_omitted,
        first_received_at=past.first_received_at,
        last_changed_at=past.last_changed_at,
        version=version(state),
        **_looked_up(state),
    )


def _looked_up(state: State) -> dict[str, Any]:
    if state.answer is None or not isinstance(state.answer.said, OrderLookedUp):
        return {}
    said = state.answer.said
    return {
        "totals": said.totals,
        "lines": said.lines,
        "lines_omitted": said.lines_omitted,
        "looked_up_at": rfc3339(state.answer.at),
        "lookup_number": said.number,
    }


class _Facts(NamedTuple):
    """The facts of an order by what they are about."""

    statuses: list[facts.StatusFact]
    numbered: list[facts.NumberedFact]
    payments: list[Stated]

    @classmethod
    def of(cls, state: State) -> _Facts:
        statuses: list[facts.StatusFact] = []
        numbered: list[facts.NumberedFact] = []
        payments: list[Stated] = []
        for fact, receipts in state.facts:
            if isinstance(fact, facts.NumberedFact):
                numbered.append(fact)
                statuses.append(fact)
            elif isinstance(fact, facts.PaymentReceived):
                payments.append((fact, receipts))
            elif isinstance(fact, facts.Received):
                statuses.append(fact)
        return cls(statuses, numbered, payments)


def _statuses(statuses: list[facts.StatusFact], found: list[Conflict]) -> tuple[OrderStatus, ...]:
    kinds = {type(fact) for fact in statuses}
    if facts.Cancelled in kinds and facts.Delivered in kinds:
        report("status", (OrderStatus.CANCELLED, OrderStatus.DELIVERED), OrderStatus.CANCELLED, found)
    return tuple([STATUS[kind] for kind in sorted(kinds, key=RANK.__getitem__)])


def _order_id(numbered: list[facts.NumberedFact], found: list[Conflict]) -> int | None:
    ids = {fact.order_id for fact in numbered}
    return settle("order_id", ids, ((RANK[type(fact)], fact.order_id) for fact in numbered), found)


def _source(statuses: list[facts.StatusFact], found: list[Conflict]) -> str | None:
    sources = {fact.source for fact in statuses if fact.source}
    return settle("source", sources, ((RANK[type(fact)], fact.source) for fact in statuses if fact.source), found)


def _order_no(client_order_ref: str, about: _Facts, found: list[Conflict]) -> str | None:
    numbers = {fact.order_no for fact in about.numbered}
    numbers.update([fact.erp_order_no for fact, _ in about.payments])
    numbers.discard("")
    if len(numbers) > 1:
        numbers.discard(client_order_ref)
    return settle("order_no", numbers, (claim for claim in _numbers(about) if claim[1] in numbers), found)


def _numbers(about: _Facts) -> Iterator[tuple[int, str]]:
    yield from ((_PAYMENT_RANK, fact.erp_order_no) for fact, _ in about.payments)
    yield from ((RANK[type(fact)], fact.order_no) for fact in about.numbered)


def _drop_points(numbered: list[facts.NumberedFact]) -> tuple[str, ...]:
    ready = [fact for fact in numbered if isinstance(fact, facts.ReadyForPickup)]
    return tuple(sorted({fact.drop_point_code for fact in ready if fact.drop_point_code})) if ready else ()
