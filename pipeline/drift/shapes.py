"""The shape of a JSON value: names and types, never a value.

A shape is a type's name (``"string"``), an object's shapes by field name, or a list with the shapes of an array's
elements. What an array holds is a set: neither the order nor the number of its elements is part of the shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

Shape = str | dict[str, Any] | list[Any]
"""``Any`` stands for a shape again; a recursive alias would make every reader pay for it."""

MAX_DEPTH = 4
"""Levels below a field that are told apart. What lies deeper is ``object`` or ``array``."""
MAX_NAMES = 64
"""Fields of one object that are told apart. An object with more of them is taken for a map: ``{"*": ...}``."""
MAX_ELEMENT_SHAPES = 8
"""Different shapes in one array. With more of them the array is just ``array``."""

ODD_NAME = "*"
"""What stands for names that are no identifiers, such as a map's keys: those may be somebody's data."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class NotAnObject(ValueError):
    """The body is not one JSON object, so it has no fields to look at."""


class _Fraction(float):
    """A number written with a fraction or an exponent: no model takes it for a whole one."""


_DECODER = json.JSONDecoder(parse_float=_Fraction, parse_constant=_Fraction)


def read_object(body: bytes) -> dict[str, Any]:
    """The object that a body holds, its numbers as they are written.

    Raises:
        NotAnObject: the body is something else.
    """
    try:
        document = _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise NotAnObject(type(error).__name__) from None
    if not isinstance(document, dict):
        raise NotAnObject(type_of(document))
    return document


def type_of(value: Any) -> str:
    """JSON Schema's name of a value's type; ``integer`` only for a number without fraction and exponent."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def safe_name(name: str) -> str:
    """A field's name if it is an identifier, else ``*``."""
    return name if _IDENTIFIER.fullmatch(name) else ODD_NAME


def shape_of(value: Any, depth: int = MAX_DEPTH) -> Shape:
    """The shape of a decoded JSON value."""
    if depth and isinstance(value, dict):
        return _object(value, depth - 1)
    if depth and isinstance(value, list):
        elements = _distinct(shape_of(element, depth - 1) for element in value)
        return elements if len(elements) <= MAX_ELEMENT_SHAPES else "array"
    return type_of(value)


def canonical(shape: Any) -> str:
    """One text for one shape."""
    return json.dumps(shape, sort_keys=True, separators=(",", ":"))


def _object(value: dict[str, Any], depth: int) -> dict[str, Shape]:
    by_name: dict[str, list[Shape]] = {}
    for name, content in value.items():
        known = safe_name(name) if len(value) <= MAX_NAMES else ODD_NAME
        by_name.setdefault(known, []).append(shape_of(content, depth))
    return {name: _one(shapes) for name, shapes in by_name.items()}


def _one(shapes: list[Shape]) -> Shape:
    """One shape for several fields under one name: theirs if they agree, else ``any``."""
    distinct = _distinct(shapes)
    return distinct[0] if len(distinct) == 1 else "any"


def _distinct(shapes: Iterable[Shape]) -> list[Shape]:
    different = {canonical(shape): shape for shape in shapes}
    return [different[text] for text in sorted(different)]
