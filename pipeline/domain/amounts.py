"""Amounts of money and quantities as text, exactly. Money is in the major currency unit, never a float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow

from pipeline.domain.limits import MAX_AMOUNT_DIGITS, MAX_FACTS

_EXACT = Context(prec=2 * MAX_AMOUNT_DIGITS + len(str(MAX_FACTS)), traps=[Inexact, InvalidOperation, Overflow])

_ROUGH = Context(prec=8 * MAX_AMOUNT_DIGITS, traps=[InvalidOperation, Overflow])
_HUNDREDTH = Decimal("0.01")


def plain(amount: Decimal) -> str:
    """The one text of an amount: no exponent, at least two decimals, no further zeros.

    249.5 and 249.50 are both ``249.50``, 0.125 stays ``0.125``. Every digit that was sent is kept.

    Raises:
        ValueError: more than ``MAX_AMOUNT_DIGITS`` digits on either side of the point.
    """
    return _money(_checked(amount))


def number(quantity: Decimal) -> str:
    """The one text of a quantity: no exponent, no further zeros. 5.0 is ``5``. Raises ``ValueError`` like ``plain``."""
    whole, fraction = _digits(_checked(quantity))
    return f"{whole}.{fraction}" if fraction else whole


def difference(amount: str, other: str) -> str:
    """The exact difference of two amounts that ``plain`` wrote."""
    return _money(_EXACT.subtract(Decimal(amount), Decimal(other)))


def vat(amount: Decimal, percent: Decimal) -> str:
    """The exact share of an amount, unrounded. Raises ``ValueError`` like ``plain``."""
    return plain(_ROUGH.multiply(amount, percent).scaleb(-2, _ROUGH))


def percentage(part: str, whole: str) -> str | None:
    """What share of the whole the part is, in percent, rounded half to even to two decimals; ``None`` of nothing."""
    if not Decimal(whole):
        return None
    share = _ROUGH.divide(_ROUGH.multiply(Decimal(part), Decimal(100)), Decimal(whole))
    return _money(share.quantize(_HUNDREDTH, ROUND_HALF_EVEN, _ROUGH))


def _checked(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if value and (
        not isinstance(exponent, int) or value.adjusted() >= MAX_AMOUNT_DIGITS or exponent < -MAX_AMOUNT_DIGITS
    ):
        raise ValueError(f"an amount has more than {MAX_AMOUNT_DIGITS} digits on one side of the point")
    return value


def _digits(value: Decimal) -> tuple[str, str]:
    if not value:
        return "0", ""
    whole, _, fraction = f"{value:f}".partition(".")
    return whole, fraction.rstrip("0")


def _money(amount: Decimal) -> str:
    whole, fraction = _digits(amount)
    return f"{whole}.{fraction.ljust(2, '0')}"


def total(amounts: Sequence[str]) -> str:
    """The exact sum of amounts that ``plain`` wrote."""
    if len(amounts) == 1:
        return amounts[0]
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, Decimal(amount))
    return _money(result)
