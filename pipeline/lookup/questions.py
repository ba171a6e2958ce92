"""What an enriched record gives reason to ask."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["order", "product", "invoice"]


class Question(msgspec.Struct, frozen=True):
    """What is to be asked, and which state of the thing it is asked for."""

    kind: Kind
    key: str
    application_id: int
    basis: str
    """Stands for everything that makes an answer stale when it changes."""
    version: int
    """Of the enriched record."""
    lookup_number: int
    """Of the answer that the record shows already, 0 if it shows none."""
    order_id: int | None = None


class Unreadable(ValueError):
    """The value of an enriched record is not what it should be."""


class _Shown(msgspec.Struct):
    version: int
    lookup_number: int = 0


class _Order(_Shown, kw_only=True):
    application_id: int
    status: str
    order_no: str | None
    order_id: int | None


class _Place(msgspec.Struct):
    application_id: int | None


class _Change(_Place):
    entity: str
    last_received_at: str


class _Product(_Shown, kw_only=True):
    client_id: int
    changes: tuple[_Change, ...]
    sale_prices: tuple[_Place, ...]
    pending_translations: tuple[_Place, ...]


class _Invoice(_Shown, kw_only=True):
    application_id: int
    order_key: str | None


_DECODERS: Mapping[Kind, msgspec.json.Decoder[Any]] = {
    "order": msgspec.json.Decoder(_Order),
    "product": msgspec.json.Decoder(_Product),
    "invoice": msgspec.json.Decoder(_Invoice),
}


def question_of(kind: Kind, key: str, value: bytes, applications: Mapping[str, int]) -> Question | None:
    """What a record asks; ``None`` if nothing, or if Query cannot be asked because no application is known.

    An order is asked about again when its status, number or id is another one, a product when it has changed, an
    invoice until its order is known. ``applications`` are the settings' own.

    Raises:
        Unreadable: the value is no record of that kind.
    """
    try:
        shown = _DECODERS[kind].decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(f"no enriched {kind}: {error}") from None
    return _QUESTIONS[kind](key, shown, applications)


def _order(key: str, order: _Order, applications: Mapping[str, int]) -> Question:
    basis = _digest(order.status, order.order_no, order.order_id)
    return Question(
        "order", key, order.application_id, basis, order.version, order.lookup_number, order_id=order.order_id
    )


def _product(key: str, product: _Product, applications: Mapping[str, int]) -> Question | None:
    places: tuple[tuple[_Place, ...], ...] = (product.changes, product.sale_prices, product.pending_translations)
    named = [place.application_id for found in places for place in found]
    configured = applications.get(str(product.client_id), applications.get("*"))
    application_id = next((one for one in named if one is not None), configured)
    if application_id is None:
        return None
    basis = _digest(*[f"{change.entity}@{change.last_received_at}" for change in product.changes])
    return Question("product", key, application_id, basis, product.version, product.lookup_number)


def _invoice(key: str, invoice: _Invoice, applications: Mapping[str, int]) -> Question | None:
    if invoice.order_key is not None:
        return None
    return Question("invoice", key, invoice.application_id, "", invoice.version, invoice.lookup_number)


_QUESTIONS: Mapping[Kind, Callable[[str, Any, Mapping[str, int]], Question | None]] = {
    "order": _order,
    "product": _product,
    "invoice": _invoice,
}


def _digest(*parts: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()
