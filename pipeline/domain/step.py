"""The whole way of some events through one order: from stored bytes to stored bytes, and what goes out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.domain.codec import decode, encode
from pipeline.domain.fold import Arrival, Outcome, fold
from pipeline.domain.keys import OrderKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.order import changed, enriched, order_view
from pipeline.domain.policy import PushPolicies
from pipeline.domain.updates import Update, derive


class OrderStep(msgspec.Struct, frozen=True):
    """What some events come to for one order."""

    stored: bytes | None
    """The state to store, ``None`` if it is the one that is stored already."""
    outcomes: tuple[Outcome, ...]
    """The outcome of each event, in their order."""
    record: bytes | None
    """The enriched record to publish, ``None`` if nothing visible changed."""
    updates: tuple[Update, ...]
    """The updates to publish."""


def order_step(
    key: OrderKey,
    stored: bytes | None,
    arrivals: Iterable[Arrival],
    policies: PushPolicies,
    *,
    repeat_window: int = REPEAT_WINDOW,
) -> OrderStep:
    """Fold events into the stored state of an order and derive what follows. ``repeat_window`` is in microseconds.

    Raises:
        UnreadableState: what is stored is no state.
        UnusableArrival: one of its kinds; see ``fold``. Nothing has changed then.
    """
    state = None if stored is None else decode(stored)
    folded = fold(key, state, arrivals, repeat_window=repeat_window)
    if not folded.state.facts or folded.state is state:
        return OrderStep(None, folded.outcomes, None, ())
    before = None if state is None else order_view(key, state, repeat_window=repeat_window)
    after = order_view(key, folded.state, repeat_window=repeat_window)
    if not changed(before, after):
        return OrderStep(encode(folded.state), folded.outcomes, None, ())
    return OrderStep(encode(folded.state), folded.outcomes, enriched(after), tuple(derive(before, after, policies)))
