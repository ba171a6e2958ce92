"""Failed runs of recurring orders, inside an order's view or in one of their own."""

from __future__ import annotations

from pipeline.domain.facts import SubscriptionFailed
from pipeline.domain.history import history
from pipeline.domain.keys import SubscriptionKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.records import SubscriptionFailure, SubscriptionView
from pipeline.domain.state import Receipts, State, occurrences, version
from pipeline.domain.times import rfc3339


def subscription_view(key: SubscriptionKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> SubscriptionView:
    """The failures of a subscription. Raises ``ValueError`` if the state is empty."""
    past = history(state, repeat_window)
    return SubscriptionView(
        client_id=key.client_id,
        application_id=key.application_id,
        subject=key.subject,
        subscription_failures=failures_of(state, repeat_window),
        timeline=past.timeline,
        timeline_omitted=past.timeline_omitted,
        first_received_at=past.first_received_at,
        last_changed_at=past.last_changed_at,
        version=version(state),
    )


def failures_of(state: State, repeat_window: int) -> tuple[SubscriptionFailure, ...]:
    """One entry per distinct failure, in the canonical order of the state."""
    return tuple(
        [
            _failure(fact, occurrences(fact, receipts, repeat_window))
            for fact, receipts in state.facts
            if isinstance(fact, SubscriptionFailed)
        ]
    )


def _failure(fact: SubscriptionFailed, happened: Receipts) -> SubscriptionFailure:
    return SubscriptionFailure(
        subscription_id=fact.subscription_id,
        recurring_order_id=fact.recurring_order_id,
        recurring_order_schedule_id=fact.recurring_order_schedule_id,
        basket_id=fact.basket_id,
        error_message=fact.error_message,
        occurrences=len(happened),
        first_received_at=rfc3339(happened[0].received_at),
        last_received_at=rfc3339(happened[-1].received_at),
    )
