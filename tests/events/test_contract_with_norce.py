"""The models say what Norce's schema says: names, required fields, null, types, ranges."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events import EVENT_TYPES, Deduplication, EventSpec, UnusableBody, parse
from tests.events.schema import JsonObject, any_body, definitions, event_types, types_of, valid_body

every_event_type = pytest.mark.parametrize("name", event_types() or ["no schema file"])

KEY_TEXTS = {"ClientOrderRef", "PartNo", "PaymentCode"}
"""Text that Norce's schema allows to be empty and the models do not: it is part of a key or an identity."""


def produced_schema(name: str) -> JsonObject:
    """The JSON Schema that the model of an event type produces."""
    return EVENT_TYPES[name].model.model_json_schema(by_alias=True, mode="validation")


def deliberately_refused(body: JsonObject, properties: dict[str, JsonObject]) -> bool:
    """What JSON Schema takes and we do not: empty key texts, 1.0 as an integer, numbers that no double holds."""
    for name, schema in properties.items():
        value = body.get(name)
        if name in KEY_TEXTS and value == "":
            return True
        if isinstance(value, float) and "integer" in types_of(schema):
            return True
        if isinstance(value, int) and "number" in types_of(schema) and not -(2**63) <= value < 2**63:
            return True
    return False


def taken(spec: EventSpec, body: JsonObject) -> bool:
    try:
        parse(spec, json.dumps(body).encode())
    except UnusableBody:
        return False
    return True


def test_the_registry_names_exactly_the_event_types_of_the_schema() -> None:
    documented = {name for name, schema in definitions().items() if not schema.get("x-assumed")}
    assert set(EVENT_TYPES) == set(definitions())
    assert {name for name, spec in EVENT_TYPES.items() if spec.documented} == documented
    assert len(documented) == 19


@every_event_type
def test_a_model_has_the_fields_of_the_schema_and_requires_the_same_ones(name: str) -> None:
    norce = definitions()[name]
    model = produced_schema(name)
    assert set(model["properties"]) == set(norce["properties"])
    assert set(model["required"]) == set(norce["required"])


@every_event_type
def test_a_field_has_the_types_and_limits_of_the_schema(name: str) -> None:
    norce = definitions()[name]
    model = produced_schema(name)
    for field, schema in norce["properties"].items():
        assert limits(model["properties"][field], field) == limits(schema, field), field


def limits(schema: JsonObject, field: str) -> dict[str, Any]:
    """Types, integer range, shortest text and values of a property, however its schema words them."""
    branches: list[JsonObject] = schema.get("anyOf", [schema])
    merged = {key: value for branch in branches for key, value in branch.items()}
    types = {name for branch in branches for name in types_of(branch)}
    values = merged.get("enum") or ([merged["const"]] if "const" in merged else None)
    if values and types == {"integer"}:  # an unbroken row of numbers is a range
        assert values == list(range(values[0], values[-1] + 1))
        merged, values = {"minimum": values[0], "maximum": values[-1]}, None
    return {
        "types": types,
        "range": (merged.get("minimum"), merged.get("maximum")),
        "shortest": 1 if field in KEY_TEXTS else merged.get("minLength", 0),
        "values": values,
    }


@every_event_type
def test_the_registry_groups_and_tells_repeats_as_the_schema_says(name: str) -> None:
    norce = definitions()[name]["x-norce"]
    spec = EVENT_TYPES[name]
    aliases = {attribute: info.alias for attribute, info in spec.model.model_fields.items()}
    assert spec.group == norce["group"]
    assert [aliases[attribute] for attribute in spec.identity] == norce["identityFields"]
    assert (spec.deduplication is Deduplication.REPEATABLE) == norce["identicalBodyMayBeLegitimate"]


@every_event_type
@settings(max_examples=30)  # for each of 22 types
@given(data=st.data())
def test_a_body_that_fits_the_schema_is_taken_and_read_field_by_field(name: str, data: st.DataObject) -> None:
    norce = definitions()[name]
    spec = EVENT_TYPES[name]
    body = data.draw(valid_body(norce).filter(lambda body: not deliberately_refused(body, norce["properties"])))
    event = parse(spec, json.dumps(body).encode())
    for attribute, info in spec.model.model_fields.items():
        assert getattr(event, attribute) == read_as(body.get(str(info.alias)), info.alias in spec.numbers)


def read_as(value: Any, exact: bool) -> Any:
    return Decimal(repr(value)) if exact and value is not None else value


@every_event_type
@settings(max_examples=30)  # for each of 22 types
@given(data=st.data())
def test_a_body_is_taken_exactly_when_the_schema_accepts_it(name: str, data: st.DataObject) -> None:
    norce = definitions()[name]
    body = data.draw(any_body(norce))
    fits = jsonschema.Draft202012Validator(norce).is_valid(body)
    assert taken(EVENT_TYPES[name], body) == (fits and not deliberately_refused(body, norce["properties"]))


@every_event_type
@settings(max_examples=30)  # for each of 22 types
@given(data=st.data())
def test_a_body_written_from_an_event_reads_back_as_the_same_event(name: str, data: st.DataObject) -> None:
    norce = definitions()[name]
    spec = EVENT_TYPES[name]
    body = data.draw(valid_body(norce).filter(lambda body: not deliberately_refused(body, norce["properties"])))
    event = parse(spec, json.dumps(body).encode())
    again = event.model_dump_json().encode()
    assert jsonschema.Draft202012Validator(norce).is_valid(json.loads(again))
    assert parse(spec, again) == event
