"""What to show when events contradict each other.

Norce sends no time of change and the time of receipt says nothing about it, so no rule here looks at receipts: the same
statements always come to the same choice. The rules, one per field:

- ``order_id``, ``source``: what the event with the highest status states; among equals the greatest value.
- ``order_no``: a value other than the order's own reference first, because the number equals the basket id until the
  ERP's replaces it (Norce docs); then the highest status, a payment's ``ErpOrderNo`` being below all of them; then the
  greatest text. Only two numbers that both differ from the reference contradict each other.
- ``status``: the highest rank. Delivered and cancelled contradict each other; cancelled stands.
- ``payment.amount`` and ``payment.currency``: the pair of one event that states both, the greatest amount and then the
  greatest currency; without such an event the greatest of each.
- ``payment.erp_order_no``: a value other than the order's own reference first, then the greatest text.
- other fields of a payment: the greatest text.
- ``outcome`` of an invoice: captured over error, because a retry after an error can succeed.

Null and empty text state nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TypeVar

from pipeline.domain.limits import MAX_CONFLICT_VALUES
from pipeline.domain.records import Conflict

Value = TypeVar("Value", int, str)


def settle(
    field: str, values: AbstractSet[Value], claims: Iterable[tuple[int, Value]], found: list[Conflict]
) -> Value | None:
    """The one value that was stated, or of several the one with the highest rank, the greatest among equals.

    ``claims`` are the values with their ranks; they are read only where there are several, which is then a conflict and
    appended to ``found``.
    """
    if len(values) < 2:
        return next(iter(values), None)
    chosen = max(claims)[1]
    report(field, map(str, values), str(chosen), found)
    return chosen


def report(field: str, values: Iterable[str], chosen: str, found: list[Conflict], item: str | None = None) -> None:
    """Append a conflict to ``found`` if the values are more than one."""
    distinct = sorted(set(values))
    if len(distinct) > 1:
        found.append(Conflict(field=field, item=item, values=tuple(distinct[:MAX_CONFLICT_VALUES]), chosen=chosen))
