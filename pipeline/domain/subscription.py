"""Failed runs of recurring orders, inside an order's view or in one of their own."""

from __future__ import annotations

from pipeline.domain.facts import SubscriptionFailed, free_text
from pipeline.domain.history import history
from pipeline.domain.keys import SUBSCRIPTION_EVENT, Key, SubscriptionKey, subscriptions_of
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.records import SubscriptionFailure, SubscriptionView
from pipeline.domain.state import Receipts, State, occurrences, version
from pipeline.domain.times import rfc3339
from pipeline.events import EVENT_TYPES, NorceEvent, order_key
from pipeline.events.models import SubscriptionFailedEvent


def subscription_view(key: SubscriptionKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> SubscriptionView:
    """The failures of a subscription or recurring order. Raises ``ValueError`` if the state is empty."""
    past = history(state, repeat_window)
    failures = failures_of(state, repeat_window)
    return SubscriptionView(
        client_id=key.client_id,
        application_id=key.application_id,
        subject=key.subject,
        subscription_failures=failures,
        failures=sum([failure.occurrences for failure in failures]),
        order_keys=tuple(
            [order_key(key.client_id, key.application_id, str(basket_id)) for basket_id in _baskets(failures)]
        ),
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


def copies(event: NorceEvent, taken: Key) -> list[tuple[SubscriptionKey, bytes]]:
    """A failure as it is to be counted elsewhere: the keys other than the one it was ``taken`` under, with a body.

    Norce's events come keyed by the basket's order if they name one, so what a subscription or a recurring order has
    gone through is scattered over its baskets. The bodies hold the documented fields that are no personal data, and
    free text masked.
    """
    if not isinstance(event, SubscriptionFailedEvent):
        return []
    keys = [key for key in subscriptions_of(event) if key != taken]
    if not keys:
        return []
    personal = set(EVENT_TYPES[SUBSCRIPTION_EVENT].personal_data)
    kept = set(SubscriptionFailedEvent.model_fields) - personal
    texts = {name: free_text(event, name) for name in EVENT_TYPES[SUBSCRIPTION_EVENT].free_text}
    body = event.model_copy(update=texts).model_dump_json(include=kept, by_alias=True).encode()
    return [(key, body) for key in keys]


def _baskets(failures: tuple[SubscriptionFailure, ...]) -> list[int]:
    return sorted({failure.basket_id for failure in failures if failure.basket_id is not None})


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
