"""The references by which people know a thing, beside its key."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.domain import KINDS, State
from pipeline.domain.facts import NumberedFact, PaymentReceived, SubscriptionFailed

_KINDS = {kind.table: kind for kind in KINDS.values()}


def references(table: str, key: str, state: State) -> Iterator[tuple[str, str]]:
    """``(name, text)`` of every reference of a thing: parts of its key first, then what its events say.

    Names are those of the fields of enriched records.
    """
    yield "key", key
    parsed = _KINDS[table].key.parse(key)
    for name in parsed.__struct_fields__:
        if name not in ("client_id", "application_id"):
            value = str(getattr(parsed, name))
            yield name, value
            if "=" in value:
                yield name, value.partition("=")[2]
    for fact, _ in state.facts:
        if isinstance(fact, NumberedFact):
            yield "order_id", str(fact.order_id)
            yield "order_no", fact.order_no
        elif isinstance(fact, PaymentReceived):
            yield "payment_code", fact.payment_code
            yield "payment_ref", fact.payment_ref or ""
            yield "order_no", fact.erp_order_no
        elif isinstance(fact, SubscriptionFailed):
            yield "subscription_id", str(fact.subscription_id)
            yield "recurring_order_id", str(fact.recurring_order_id)
