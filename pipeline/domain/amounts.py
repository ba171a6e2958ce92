"""Amounts of money as text, exactly. Major currency unit, never a float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from pipeline.domain.limits import MAX_AMOUNT_DIGITS, MAX_FACTS

_EXACT = Context(prec=2 * MAX_AMOUNT_DIGITS + len(str(MAX_FACTS)), traps=[Inexact, InvalidOperation, Overflow])


def plain(amount: Decimal) -> str:
    """The one text of an amount: no exponent, at least two decimals, no further zeros.

    249.5 and 249.50 are both ``249.50``, 0.125 stays ``0.125``. Every digit that was sent is kept.

    Raises:
        ValueError: more than ``MAX_AMOUNT_DIGITS`` digits on either side of the point.
    """
    if not amount:
        return "0.00"
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount.adjusted() >= MAX_AMOUNT_DIGITS or exponent < -MAX_AMOUNT_DIGITS:
        raise ValueError(f"an amount has more than {MAX_AMOUNT_DIGITS} digits on one side of the point")
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def total(amounts: Sequence[str]) -> str:
    """The exact sum of amounts that ``plain`` wrote."""
    if len(amounts) == 1:
        return amounts[0]
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, Decimal(amount))
    return plain(result)
