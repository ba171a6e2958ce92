"""Looked-up facts: what Norce answered when it was asked about a thing, because events carry identifiers only.

An answer carries a number that rises with every answer about the same key. The highest number stands, so joining two
answers is taking the greater one: commutative, associative and idempotent, like everything in a state. Whoever asks
reserves a number before it asks, so no two answers share one; should two do so all the same, the later stands, and of
two of the same moment the one that sorts last.

Answers hold what the records below name and nothing else: no personal data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from pipeline.domain.amounts import number, plain, total, vat
from pipeline.domain.errors import MalformedKey
from pipeline.domain.keys import KEY_OF_ANSWER, Key, OrderKey
from pipeline.domain.limits import MAX_ANSWER_BYTES, MAX_LINES, MAX_TEXT
from pipeline.domain.records import OrderLine, OrderTotals, Record

AnswerNumber = Annotated[
    int, Meta(ge=1, description="Rises with every answer about the same key, and skips numbers; the highest stands")
]


class OrderLookedUp(Record, frozen=True, tag_field="type"):
    """What Commerce Query said of an order."""

    number: AnswerNumber
    order_id: Annotated[int, Meta(description="Norce OrderId, 64 bit")]
    totals: Annotated[OrderTotals, Meta(description="Totals over all lines")]
    lines: Annotated[tuple[OrderLine, ...], Meta(description=f"Order lines, the first {MAX_LINES} that fit")]
    lines_omitted: Annotated[int, Meta(description="Number of lines after those")]


class ProductLookedUp(Record, frozen=True, tag_field="type"):
    """What Commerce Query said of a product."""

    number: AnswerNumber
    name: Annotated[str | None, Meta(description="Norce DefaultName, null if the product has none")]


class InvoiceLookedUp(Record, frozen=True, tag_field="type"):
    """What Commerce Query said of an invoice."""

    number: AnswerNumber
    order_key: Annotated[str, Meta(description="Key of its order, as on the enriched orders topic")]


Said = OrderLookedUp | ProductLookedUp | InvoiceLookedUp


LOOKUPS: Mapping[str, type[Said]] = {
    record.__name__: record for record in (OrderLookedUp, ProductLookedUp, InvoiceLookedUp)
}
"""The records by their type, as the header ``ce_type`` names it."""

_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(record) for name, record in LOOKUPS.items()
}
_ENCODER = msgspec.json.Encoder()


class Answered(msgspec.Struct, frozen=True):
    """One answer, and when it was given, in microseconds since 1970 UTC."""

    at: int
    said: Said


def newer(first: Answered | None, second: Answered | None) -> Answered | None:
    """The answer that stands."""
    if first is None or second is None:
        return second if first is None else first
    return max(first, second, key=_standing)


def _standing(answer: Answered) -> tuple[int, int, bytes]:
    return answer.said.number, answer.at, _ENCODER.encode(answer.said)


def encode_answer(said: Said) -> bytes:
    """The JSON of an answer's record."""
    return _ENCODER.encode(said)


def decode_answer(name: str, key: Key, data: bytes) -> Said:
    """The answer that ``encode_answer`` wrote about a key.

    Raises:
        ValueError: it is none of that type, is about something else, or is too large.
    """
    if type(key) is not KEY_OF_ANSWER[name]:
        raise ValueError(f"a {name} says nothing about this kind of thing")
    if len(data) > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer has more than {MAX_ANSWER_BYTES} bytes")
    try:
        said: Said = _DECODERS[name].decode(data)
        if isinstance(said, InvoiceLookedUp):
            OrderKey.parse(said.order_key)
    except (msgspec.MsgspecError, UnicodeDecodeError, MalformedKey):
        raise ValueError(f"{len(data)} bytes that are no {name}") from None
    return said


class Line(NamedTuple):
    """One line of an order as Norce holds it; money in the major unit, without VAT."""

    line_no: Decimal
    part_no: str
    product_name: str | None
    quantity: Decimal
    unit_price: Decimal | None
    vat_rate: Decimal | None
    """Percent."""
    amount: Decimal


def order_looked_up(
    order_id: int, currency: str, freight: Decimal | None, lines: Sequence[Line], *, number: int = 1
) -> OrderLookedUp:
    """The answer about an order. Norce keeps no total, so totals are the exact sums of the lines, freight among them.

    Raises:
        ValueError: an amount or a text is longer than ``limits`` allows.
    """
    shown = [_line(line) for line in sorted(lines, key=lambda one: one.line_no)]
    said = OrderLookedUp(
        number=number,
        order_id=order_id,
        totals=_totals(currency, freight, lines),
        lines=tuple(shown[:MAX_LINES]),
        lines_omitted=max(len(shown) - MAX_LINES, 0),
    )
    # Room for the number to grow: it is put in last, when the answer is sent.
    while len(encode_answer(said)) > MAX_ANSWER_BYTES - _ROOM_FOR_NUMBER:
        kept = said.lines[: len(said.lines) // 2]
        said = msgspec.structs.replace(said, lines=kept, lines_omitted=len(shown) - len(kept))
    return said


_ROOM_FOR_NUMBER = 20


def _line(line: Line) -> OrderLine:
    return OrderLine(
        line_no=number(line.line_no),
        part_no=_text(line.part_no, "part_no"),
        product_name=None if line.product_name is None else line.product_name[:MAX_TEXT],
        quantity=number(line.quantity),
        unit_price=None if line.unit_price is None else plain(line.unit_price),
        vat_rate=None if line.vat_rate is None else number(line.vat_rate),
        line_total=plain(line.amount),
    )


def _totals(currency: str, freight: Decimal | None, lines: Iterable[Line]) -> OrderTotals:
    lines = list(lines)
    excluding = total(["0.00", *[plain(line.amount) for line in lines]])
    taxes: str | None = None
    if all(line.vat_rate is not None for line in lines):
        taxes = total(["0.00", *[vat(line.amount, line.vat_rate or Decimal(0)) for line in lines]])
    return OrderTotals(
        currency=_text(currency, "currency"),
        excluding_vat=excluding,
        vat=taxes,
        including_vat=None if taxes is None else total([excluding, taxes]),
        freight_excluding_vat=None if freight is None else plain(freight),
    )


def _text(text: str, name: str) -> str:
    if not 0 < len(text) <= MAX_TEXT:
        raise ValueError(f"{name} has not 1 to {MAX_TEXT} characters")
    return text
