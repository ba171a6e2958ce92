"""The model change that would take a deviation in, as text for whoever keeps the event models."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic.alias_generators import to_pascal, to_snake

from pipeline.drift.deviations import Deviation, Kind
from pipeline.drift.documented import DocumentedField, documented_fields
from pipeline.drift.shapes import ODD_NAME, Shape
from pipeline.events import EVENT_TYPES, EventSpec

_PYTHON = {
    "string": "str",
    "integer": "Int64",
    "number": "Number",
    "boolean": "bool",
    "null": "None",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
"""JSON types as the event models write them; ``Int64`` and ``Number`` are kinds of field of theirs."""

_PERSONAL_WORDS = ("mail", "phone", "name", "address", "street", "birth", "person", "zip", "postal", "ssn", "contact")
"""Parts of field names that make a look at the classification worth while. No verdict, a reminder."""


def suggestion(spec: EventSpec, deviation: Deviation) -> str:
    """One sentence: which attribute of which model to add or change."""
    documented = documented_fields(spec.model).get(deviation.field)
    model = spec.name if spec.documented else f"a model of its own for {spec.name}"
    if deviation.kind is Kind.UNKNOWN_TYPE:
        return _take(deviation.event_type)
    if deviation.kind is Kind.TOO_MANY:
        return f"look at the raw bodies of {spec.name}: they have more shapes than are reported one by one"
    if deviation.kind is Kind.ADDED or documented is None:
        return _add(deviation, model)
    name = documented.attribute
    match deviation.kind:
        case Kind.RETYPED:
            wider = _union([*documented.types, _json_type(deviation.observed)])
            return f"let `{name}` of {model} be `{wider}`; it is `{_annotation(documented)}`"
        case Kind.MISSING:
            return f"let `{name}` of {model} be left out: `{name}: {_union([*documented.types, 'null'])} = None`"
        case Kind.REFUSED:
            return f"widen what `{name}` of {model} takes: a value broke its rule `{deviation.rule}`"
        case _:
            return f"expect no more `{name}` in {model}, and ask Norce: it is optional, so nothing fails without it"


def _take(event_type: str) -> str:
    """What to do about an event type that the catalogue does not have."""
    if event_type == ODD_NAME:
        return "look at the quarantine: webhooks are set up for event types whose names are none; correct their URLs"
    close = difflib.get_close_matches(event_type, EVENT_TYPES, n=1, cutoff=0.8)
    if close:
        return f"correct the webhook's URL if it means {close[0]}; else add {event_type} to the event catalogue"
    return (
        f'add {event_type} to the event catalogue (pipeline/events/registry.py): `free_form("{event_type}")` takes its '
        "bodies, a model of its own checks and joins them; or switch the webhook off in Norce Admin"
    )


def _add(deviation: Deviation, model: str) -> str:
    if deviation.field == ODD_NAME:
        return f"look at the raw body: {model} got a field whose name is no identifier"
    name = to_snake(deviation.field)
    annotation = _union([_json_type(deviation.observed), "null"])
    default = "None" if to_pascal(name) == deviation.field else f'Field(default=None, alias="{deviation.field}")'
    text = f"add `{name}: {annotation} = {default}` to {model}"
    if any(word in deviation.field.lower() for word in _PERSONAL_WORDS):
        text += "; its name looks like personal data: if it is, mark it with PersonalData"
    return text


def _json_type(shape: Shape | None) -> str:
    if shape is None or isinstance(shape, str):
        return shape or "any"
    return "object" if isinstance(shape, dict) else "array"


def _annotation(field: DocumentedField) -> str:
    return _union(field.types)


def _union(types: Iterable[str]) -> str:
    """Python's way to write a choice of JSON types, ``None`` last."""
    names = {_PYTHON.get(name, "Any") for name in types}
    if names == {"None"}:
        return "Any | None"
    return " | ".join(sorted(names - {"None"}) + sorted(names & {"None"}))
