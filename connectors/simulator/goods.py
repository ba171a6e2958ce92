"""What Commerce holds besides the events: products, and the lines of orders. It follows from a seed and a sum alone."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random

VAT_RATE = Decimal(25)
"""Percent, of every line."""
FREIGHT = Decimal("39.20")
"""Without VAT; on every order that is large enough."""
FREIGHT_PART_NO = "FREIGHT"
PRODUCTS = 500
"""Part numbers of each client are below SKU-500."""

CURRENCIES = {"SEK": 2, "NOK": 3, "DKK": 4, "EUR": 5}
"""Currencies by their number."""

_WITHOUT_VAT = Decimal("0.8")
_SHARES = (Decimal("0.5"), Decimal("0.25"), Decimal("0.125"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order. Amounts are in the major unit, without VAT."""

    number: int
    part_no: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


def product_name(part_no: str) -> str | None:
    """The name of a product; None for one that no client has."""
    serial = part_no.removeprefix("SKU-")
    known = serial.isdecimal() and part_no == f"SKU-{int(serial)}" and 0 < int(serial) < PRODUCTS
    return f"Chair no. {serial} of oak" if known else None


def lines(including_vat: Decimal, rng: Random) -> tuple[Line, ...]:
    """One to four articles and the freight, which together cost exactly so much with VAT."""
    left = including_vat * _WITHOUT_VAT
    freight = FREIGHT if left > 2 * FREIGHT else Decimal(0)
    left -= freight
    amounts = [round(left * share, 2) for share in _SHARES[: rng.randrange(len(_SHARES) + 1)]]
    amounts.append(left - sum(amounts))
    found = [_article(number, amount, rng) for number, amount in enumerate(amounts, start=1)]
    if freight:
        found.append(Line(len(found) + 1, FREIGHT_PART_NO, "Freight", Decimal(1), freight, freight))
    return tuple(found)


def _article(number: int, amount: Decimal, rng: Random) -> Line:
    serial = rng.randrange(1, PRODUCTS)
    quantity = Decimal(rng.choice((1, 1, 2, 4)))
    return Line(number, f"SKU-{serial}", product_name(f"SKU-{serial}") or "", quantity, amount / quantity, amount)
