"""Bodies to try a connector with: every field that Norce documents, filled, and changed at will."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from pipeline.events import EventSpec

EXAMPLES: Mapping[str, Any] = {
    "ClientId": 101,
    "ApplicationId": 1011,
    "OrderId": 7_099_000_001,
    "OrderNo": "SO99000001",
    "ErpOrderNo": "SO99000001",
    "ClientOrderRef": "99000001",
    "BasketId": 99_000_001,
    "Source": "WEB",
    "PaymentCode": "99000002",
    "PaymentMethodCode": "CARD",
    "Amount": 100.5,
    "CurrencyCode": "SEK",
    "Email": "test@example.com",
    "CellPhone": "+46700000000",
    "FirstName": "Test",
    "LastName": "Test",
    "PartNo": "SKU-1",
}
"""Values that fit each other: the events of an order are about one order."""


class UnusableField(ValueError):
    """A change of a body that is none."""


def example(spec: EventSpec) -> dict[str, Any]:
    """A body of an event type with all documented fields."""
    fields = spec.model.model_fields.values()
    return {str(field.alias): EXAMPLES.get(str(field.alias), _value(field.annotation)) for field in fields}


def changed(spec: EventSpec, body: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """A body with ``Field=Value`` applied; a value that is JSON is that, any other is text.

    In a field that is documented as text, digits are text too: nobody thinks of the order 4711 as a number.

    Raises:
        UnusableField: naming the change.
    """
    found, texts = dict(body), {field.alias for field in spec.model.model_fields.values() if _text(field.annotation)}
    for change in changes:
        name, equals, text = change.partition("=")
        if not (name and equals):
            raise UnusableField(f"{change} is not of the form Field=Value")
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
        found[name] = text if name in texts and isinstance(value, (int, float)) else value
    return found


def _text(annotation: Any) -> bool:
    return annotation is str or any(_text(argument) for argument in typing.get_args(annotation))


def _value(annotation: Any) -> Any:
    """Some value of a type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _value(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _value(next(each for each in arguments if each is not type(None)))
    if origin is typing.Literal:
        return arguments[0]
    return {int: 1, str: "example", Decimal: 1.5, float: 1.5, bool: True}.get(annotation)
