"""Norce's JSON Schema of the event bodies, and bodies generated from it.

The strategies read the schema and not the models, so that the two are compared from both sides.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support.norce import is_there, norce_document

_FILE = "commerce-events.schema.json"

JsonObject = dict[str, Any]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
doubles = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | doubles | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=4,
)


@cache
def definitions() -> dict[str, JsonObject]:
    """The schema's definitions by event type."""
    document: JsonObject = json.loads(norce_document(_FILE).read_text(encoding="utf-8"))
    return document["$defs"]  # type: ignore[no-any-return]


def event_types() -> list[str]:
    """The schema's event types, for parametrizing; empty where the file is missing."""
    return sorted(definitions()) if is_there(_FILE) else []


def types_of(schema: JsonObject) -> set[str]:
    """The JSON types a property may have; a property with only an enum has the type of its values."""
    declared = schema.get("type")
    if declared is None:
        return {"integer" if isinstance(value, int) else "string" for value in schema["enum"]}
    return {declared} if isinstance(declared, str) else set(declared)


def valid_value(schema: JsonObject) -> st.SearchStrategy[Any]:
    """Values that the schema of one property accepts."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "string": st.text(st.characters(exclude_categories=["Cs"]), min_size=schema.get("minLength", 0), max_size=12),
        "integer": st.integers(schema.get("minimum"), schema.get("maximum")),
        "number": doubles | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.1, 1.1, 100.0, 1e22, -0.0]),
    }
    return st.one_of([by_type[name] for name in sorted(types_of(schema))])


def valid_body(schema: JsonObject) -> st.SearchStrategy[JsonObject]:
    """Bodies that the schema of one event type accepts, with unknown fields now and then."""
    properties: dict[str, JsonObject] = schema["properties"]
    required = {name: valid_value(properties[name]) for name in schema["required"]}
    optional = {name: valid_value(properties[name]) for name in properties if name not in required}
    unknown = st.dictionaries(text.filter(lambda name: name not in properties), json_values, max_size=2)
    known = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda fields, more: {**fields, **more}, known, unknown)


@st.composite
def any_body(draw: st.DrawFn, schema: JsonObject) -> JsonObject:
    """A body with one thing changed that may or may not break it: a field gone, or with any JSON value."""
    body = dict(draw(valid_body(schema)))
    name = draw(st.sampled_from(sorted(schema["properties"])))
    if draw(st.booleans()):
        body.pop(name, None)
    else:
        body[name] = draw(json_values | st.sampled_from([True, 0, 7, -1, 2**31, -(2**31) - 1, 2**63, "", "5"]))
    return body
