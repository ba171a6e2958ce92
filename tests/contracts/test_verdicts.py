"""The verdict on random changes of random schemas, held against sample documents and a validator.

``corners`` makes every document that could tell two of these schemas apart, without knowing how they are compared: each
value of an enumeration, both ends of each bound, each optional field there and not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.contracts import Effect, schema_changes

Json = dict[str, Any]

NAMES = ("a", "b", "c")
FAR = 1_000_000

_bounds = st.fixed_dictionaries({}, optional={"minimum": st.integers(-9, 0), "maximum": st.integers(6, 15)})
_lengths = st.fixed_dictionaries({}, optional={"minLength": st.integers(1, 3), "maxLength": st.integers(9, 12)})
_enumerations = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True).map(lambda v: {"enum": v})
_scalars: st.SearchStrategy[Json] = st.one_of(
    _lengths.map(lambda rules: {"type": "string", **rules}),
    _bounds.map(lambda rules: {"type": "integer", **rules}),
    _bounds.map(lambda rules: {"type": "number", **rules}),
    st.just({"type": "boolean"}),
    st.just({"const": "x"}),
    _enumerations,
)


def _objects(children: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    @st.composite
    def build(draw: st.DrawFn) -> Json:
        properties = draw(st.dictionaries(st.sampled_from(NAMES), children, max_size=3))
        required = [name for name in sorted(properties) if draw(st.booleans())]
        return {"type": "object", "properties": properties, "required": required}

    return build()


def _containers(children: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.one_of(
        _objects(children),
        children.map(lambda item: {"type": "array", "items": item}),
        children.map(lambda value: {"type": "object", "additionalProperties": value}),
        children.map(lambda one: {"anyOf": [one, {"type": "null"}]}),
    )


nodes: st.SearchStrategy[Json] = st.recursive(_scalars, _containers, max_leaves=5)
schemas = _objects(nodes)


def copied(schema: Json) -> Json:
    """A copy in which every place is an object of its own."""
    found: Json = json.loads(json.dumps(schema))
    return found


def places(schema: Json) -> Iterator[Json]:
    """Every schema within a schema, itself included."""
    yield schema
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from places(part)
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from places(schema[keyword])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Json, Json]:
    """A schema, and the same one with one to three changes in places of their own."""
    old = draw(schemas)
    new = copied(old)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, draw(st.sampled_from(list(places(new)))))
    return old, new


def _change(draw: st.DrawFn, place: Json) -> None:
    if "properties" in place:
        name = draw(st.sampled_from(NAMES))
        there = name in place["properties"]
        match draw(st.sampled_from(["toggle", "drop", "set"])):
            case "toggle" if there:
                place["required"] = sorted({*place["required"]} ^ {name})
            case "drop" if there:
                del place["properties"][name]
                place["required"] = [each for each in place["required"] if each != name]
            case _:
                place["properties"][name] = copied(draw(nodes))
                if draw(st.booleans()):
                    place["required"] = sorted({*place["required"], name})
        return
    replacement = copied(draw(nodes))
    place.clear()
    place.update(replacement)


def corners(schema: Json) -> list[Any]:
    if "anyOf" in schema:
        return [value for part in schema["anyOf"] for value in corners(part)]
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    match schema["type"]:
        case "null":
            return [None]
        case "boolean":
            return [False, True]
        case "integer" | "number":
            ends = [schema.get("minimum", -FAR), 1, schema.get("maximum", FAR)]
            return [*ends, 1.5] if schema["type"] == "number" else ends
        case "string":
            return ["-" * schema.get("minLength", 0), "-" * schema.get("maxLength", 40)]
        case "array":
            return [[], *([value] for value in corners(schema["items"]))]
    if "additionalProperties" in schema:
        values = corners(schema["additionalProperties"])
        return [{}, *({name: value} for name in (*NAMES, "other") for value in values)]
    return list(_object_corners(schema))


def _object_corners(schema: Json) -> Iterator[Json]:
    choices = {name: corners(part) for name, part in schema["properties"].items()}
    whole = {name: values[0] for name, values in choices.items()}
    yield whole
    for name, values in choices.items():
        yield from ({**whole, name: value} for value in values[1:])
        if name not in schema["required"]:
            yield {each: value for each, value in whole.items() if each != name}


def paths(schema: Json, path: str = "") -> Iterator[str]:
    for part in schema.get("anyOf", ()):
        yield from paths(part, path)
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from paths(part, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in schema:
            yield from paths(schema[keyword], path + mark)


def all_fit(documents: list[Any], schema: Json) -> bool:
    return all(map(Draft202012Validator(schema).is_valid, documents))


def agrees(old: Json, new: Json) -> None:
    """The verdict is that of the samples in both directions; only a field that is gone needs no sample to break."""
    said = schema_changes(old, new)
    breaking = any(change.effect is Effect.BREAKING for change in said)
    removed = bool({*paths(old)} - {*paths(new)})
    fits = all_fit(corners(new), old) and all_fit(corners(old), new)
    assert breaking == (removed or not fits), said


@given(pairs())
@example(
    (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": []},
        {"type": "object", "properties": {}, "required": []},
    )
)
def test_the_verdict_on_a_change_is_that_of_sample_documents(pair: tuple[Json, Json]) -> None:
    agrees(*pair)


@given(schemas, schemas)
def test_the_verdict_on_two_unlike_schemas_is_that_of_sample_documents(old: Json, new: Json) -> None:
    agrees(old, new)


@given(schemas)
def test_samples_of_a_schema_are_valid_and_it_is_compatible_with_itself(schema: Json) -> None:
    """Otherwise the tests above would say nothing."""
    assert all_fit(corners(schema), schema)
    assert schema_changes(schema, copied(schema)) == []


@given(schemas, st.sampled_from(NAMES), nodes)
def test_a_field_that_may_be_absent_can_always_be_added(schema: Json, name: str, node: Json) -> None:
    before = copied(schema)
    before["properties"].pop(name, None)
    before["required"] = [each for each in before["required"] if each != name]
    after = copied(before)
    after["properties"][name] = node
    assert {change.effect for change in schema_changes(before, after)} == {Effect.COMPATIBLE}
