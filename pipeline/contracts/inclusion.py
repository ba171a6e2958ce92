"""Whether every document that one JSON Schema describes fits another one.

Both describe what one producer writes, so an object has no other fields than those its schema names, while a reader
takes objects with more. Covered are the keywords that records are made of; where two schemas differ in any other one,
the answer is that they do not fit, never that they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = dict[str, Any]

_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated"}
    | {"discriminator"}  # OpenAPI's; the alternatives beside it say the same
)
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_STRUCTURE = frozenset({"type", "properties", "required", "additionalProperties", "items"})
_NARROWING = _LOWER | _UPPER | {"pattern", "format"}
_TYPES = ("null", "boolean", "number", "string", "array", "object")
_FINITE: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}


class Gap(StrEnum):
    """How a document of the one may fail to fit the other."""

    ABSENT = "absent"
    """A field that the other promises may be missing."""
    TYPE = "type"
    VALUE = "value"
    CLOSED = "closed"
    """A field that the other does not allow at all."""
    RULE = "rule"
    """A keyword such as a bound or a pattern is less strict, or cannot be judged."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One gap. ``path`` is like ``payments[].amount``; ``what`` is the type, value or keyword."""

    path: str
    gap: Gap
    what: str = ""


def misfits(inner: Schema, outer: Schema) -> list[Misfit]:
    """What keeps documents of ``inner`` from fitting ``outer``; empty if all fit."""
    return list(dict.fromkeys(_Inclusion(inner, outer).schemas(inner, outer, "")))


def alternatives(schema: Any, root: Schema) -> list[Schema]:
    """A schema as a list of schemas of one type or of fixed values each, of which one has to hold."""
    if isinstance(schema, bool):
        return [{"type": name} for name in _TYPES] if schema else []
    rules = {keyword: value for keyword, value in schema.items() if not _annotates(keyword)}
    for keyword in ("anyOf", "oneOf"):
        if set(rules) == {keyword}:
            return [found for part in rules[keyword] for found in alternatives(part, root)]
    if set(rules) == {"$ref"}:
        return alternatives(referred(rules["$ref"], root), root)
    if "const" in rules:
        return [{"enum": [rules["const"]]}]
    if "enum" in rules:
        return [{"enum": rules["enum"]}]
    types = rules.pop("type", _TYPES)
    names = [types] if isinstance(types, str) else types
    return [{"enum": _FINITE[name]} if name in _FINITE else {**rules, "type": name} for name in names]


def referred(reference: str, root: Schema) -> Any:
    """The schema that a reference into the same document names."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def join(path: str, name: str) -> str:
    """The path of a field of the object at ``path``."""
    return f"{path}.{name}" if path else name


class _Inclusion:
    def __init__(self, inner: Schema, outer: Schema) -> None:
        self._inner, self._outer = inner, outer
        self._open: set[tuple[int, int]] = set()

    def schemas(self, inner: Any, outer: Any, path: str) -> Iterator[Misfit]:
        pair = (id(inner), id(outer))
        if pair in self._open:
            return  # a structure that holds itself: whatever is wrong shows further up
        self._open.add(pair)
        choices = alternatives(outer, self._outer)
        for one in alternatives(inner, self._inner):
            yield from self._alternative(one, choices, outer, path)
        self._open.discard(pair)

    def _alternative(self, one: Schema, choices: list[Schema], outer: Any, path: str) -> Iterator[Misfit]:
        if "enum" in one:
            whole = outer if isinstance(outer, bool) else {**outer, "$defs": self._outer.get("$defs", {})}
            from jsonschema import Draft202012Validator  # takes longer to load than all else, and few commands compare

            takes = Draft202012Validator(whole).is_valid
            yield from (Misfit(path, Gap.VALUE, repr(value)) for value in one["enum"] if not takes(value))
            return
        fitting = [choice for choice in choices if _same_type(one, choice)]
        if not fitting:
            yield Misfit(path, Gap.TYPE, one["type"])
            return
        tried = [list(self._typed(one, choice, path)) for choice in fitting]
        yield from min(tried, key=len)

    def _typed(self, one: Schema, choice: Schema, path: str) -> Iterator[Misfit]:
        yield from self._rules(one, choice, path)
        if one["type"] == "array":
            yield from self.schemas(one.get("items", True), choice.get("items", True), f"{path}[]")
        if one["type"] == "object":
            yield from self._fields(one, choice, path)
            yield from self._values(one, choice, path)

    def _rules(self, one: Schema, choice: Schema, path: str) -> Iterator[Misfit]:
        for keyword in sorted({*one, *choice} - _STRUCTURE):
            given, limit = one.get(keyword), choice.get(keyword)
            if limit is None and keyword in _NARROWING:
                continue
            if _expanded(given, self._inner) != _expanded(limit, self._outer) and not _tighter(keyword, given, limit):
                yield Misfit(path, Gap.RULE, keyword)

    def _fields(self, one: Schema, choice: Schema, path: str) -> Iterator[Misfit]:
        theirs = choice.get("properties", {})
        rest = choice.get("additionalProperties", True)
        for name in choice.get("required", ()):
            if name not in one.get("required", ()):
                yield Misfit(join(path, name), Gap.ABSENT)
        for name, schema in one.get("properties", {}).items():
            if name not in theirs and rest is False:
                yield Misfit(join(path, name), Gap.CLOSED)
            else:
                yield from self.schemas(schema, theirs.get(name, rest), join(path, name))

    def _values(self, one: Schema, choice: Schema, path: str) -> Iterator[Misfit]:
        """The fields of an object that is a map, whose names are data."""
        values = one.get("additionalProperties")
        if not isinstance(values, dict):
            return
        for name, schema in choice.get("properties", {}).items():
            if name not in one.get("properties", {}):
                yield from self.schemas(values, schema, join(path, name))
        rest = choice.get("additionalProperties", True)
        if rest is False:
            yield Misfit(f"{path}{{}}", Gap.CLOSED)
        else:
            yield from self.schemas(values, rest, f"{path}{{}}")


def _same_type(one: Schema, choice: Schema) -> bool:
    given, wanted = one["type"], choice.get("type")
    return given == wanted or (given == "integer" and wanted == "number")


def _tighter(keyword: str, given: Any, limit: Any) -> bool:
    if given is None or limit is None:
        return False
    return bool((keyword in _LOWER and given >= limit) or (keyword in _UPPER and given <= limit))


def _annotates(keyword: str) -> bool:
    return keyword in _ANNOTATIONS or keyword.startswith("x-")


def _expanded(value: Any, root: Schema, within: tuple[str, ...] = ()) -> Any:
    """A value with the schemas that it refers to in their places, and without annotations."""
    if isinstance(value, list):
        return [_expanded(item, root, within) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference not in within:
        target = _expanded(referred(reference, root), root, (*within, reference))
        value = {**value, "$ref": target}
    return {key: _expanded(item, root, within) for key, item in value.items() if not _annotates(key)}
