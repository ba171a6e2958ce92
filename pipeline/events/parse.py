"""From the bytes of a body to an event, strictly.

A body is taken only if every reader would understand it the same way, because it travels on byte for byte. So JSON
that some readers accept and others do not (NaN, a key twice, half a surrogate pair, very deep nesting) is refused.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn

from pydantic import ValidationError

from pipeline.events.models import NorceEvent
from pipeline.events.registry import EventSpec

MAX_DEPTH = 10
"""Objects and arrays inside each other, the body itself being the first. Documented bodies are one deep."""

MAX_DETAIL = 1024


class Reason(StrEnum):
    """Why a body was not taken as an event."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NOT_FINITE = "not_finite"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    TOO_LARGE_NUMBER = "too_large_number"
    INEXACT_NUMBER = "inexact_number"
    LONE_SURROGATE = "lone_surrogate"
    WRONG_FIELDS = "wrong_fields"
    CONTENT_ENCODED = "content_encoded"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    MISSING_EVENT_TYPE = "missing_event_type"
    CONTRADICTORY_EVENT_TYPE = "contradictory_event_type"


class UnusableBody(Exception):
    """A body that is not an event, and why.

    ``detail`` says what is wrong and never repeats a value of the body, which may be personal data. ``where`` is a
    field's name, a place in the text or empty.
    """

    def __init__(self, reason: Reason, detail: str, where: str = "") -> None:
        self.reason = reason
        self.detail = detail[:MAX_DETAIL]
        self.where = where[:MAX_DETAIL]
        super().__init__(f"{reason}: {self.detail}")


def parse(spec: EventSpec, body: bytes) -> NorceEvent:
    """The event that ``body`` holds.

    Raises:
        UnusableBody: the body is not strict JSON, not one object, or does not fit the type's model.
    """
    document = _strict_object(body)
    try:
        event = spec.model.model_validate_json(body)
    except ValidationError as error:
        raise _wrong_fields(error) from None
    for norce_name, name in spec.numbers.items():
        literal = document.get(norce_name)
        if literal is not None and literal != getattr(event, name):
            raise UnusableBody(
                Reason.INEXACT_NUMBER, "the number has more digits than a double, as documented, can hold", norce_name
            )
    return event


def _strict_object(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise UnusableBody(Reason.NOT_UTF8, error.reason, f"byte {error.start}") from None
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise UnusableBody(Reason.NOT_JSON, error.msg, f"line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # int() refuses thousands of digits
        raise UnusableBody(Reason.TOO_LARGE_NUMBER, str(error)) from None
    if not isinstance(document, dict):
        raise UnusableBody(Reason.NOT_AN_OBJECT, f"the body is one JSON {_json_type(document)}, not one object")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:  # fewer cannot nest too deep; nearly all bodies have one
        _check_depth(document)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise UnusableBody(Reason.DUPLICATE_KEY, "a key stands twice in one object", _printable(key))
    return document


def _number(literal: str) -> Decimal:
    if math.isinf(float(literal)):
        raise UnusableBody(Reason.NOT_FINITE, "a number is too large for a double")
    try:
        return Decimal(literal)
    except InvalidOperation:
        raise UnusableBody(Reason.INEXACT_NUMBER, "a number has an exponent out of all proportion") from None


def _constant(literal: str) -> NoReturn:
    raise UnusableBody(Reason.NOT_FINITE, f"{literal} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_number, parse_constant=_constant)


def _check_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> UnusableBody:
    return UnusableBody(Reason.TOO_DEEP, f"objects and arrays are nested more than {MAX_DEPTH} deep")


def _wrong_fields(error: ValidationError) -> UnusableBody:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        # Python's decoder took the text, so all that is left is text that no other reader could encode again.
        return UnusableBody(Reason.LONE_SURROGATE, "a string holds one half of a surrogate pair")
    places = [".".join(str(part) for part in problem["loc"]) for problem in problems]
    detail = "; ".join(f"{place}: {problem['msg']}" for place, problem in zip(places, problems, strict=True))
    return UnusableBody(Reason.WRONG_FIELDS, detail, places[0])


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "number"


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()[:100]
