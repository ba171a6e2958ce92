"""JSON Schema (draft 2020-12) of every record, made from the types that the code reads and writes.

Objects are open: a reader must ignore fields that it does not know, so that fields can be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from pipeline.contracts.event_fields import FIELDS
from pipeline.events import EventSpec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TAG = "Which kind of record this is"


def struct_schema(record: type[Any]) -> Schema:
    """The schema of a record that is a msgspec struct with a description on every field."""
    (_,), found = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    # As JSON has it: a default can be a tuple, and what is published is compared with it.
    definitions: Schema = msgspec.json.decode(msgspec.json.encode(found))
    tag = msgspec.inspect.type_info(record)
    if isinstance(tag, msgspec.inspect.StructType) and tag.tag_field is not None:
        definitions[record.__name__]["properties"][tag.tag_field].setdefault("description", _TAG)
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    own = definitions.pop(record.__name__)
    return _document(record.__name__, own, {name: definitions[name] for name in sorted(definitions)})


def event_schema(spec: EventSpec) -> Schema:
    """The schema of the bodies of an event type, with personal data marked as ``x-personal-data``, and what may hold
    some as ``x-free-text``."""
    schema = spec.model.model_json_schema(by_alias=True)
    schema["description"] = cleandoc(spec.model.__doc__ or spec.name).replace("``", "")
    kinds = {str(spec.model.model_fields[name].alias): kind for name, kind in spec.personal_data.items()}
    texts = {str(spec.model.model_fields[name].alias) for name in spec.free_text}
    for name, field in schema["properties"].items():
        field.pop("title", None)
        field.pop("default", None)  # an absent field is absent: nothing fills it in
        if name in FIELDS:
            field.setdefault("description", FIELDS[name])
        if name in kinds:
            field["x-personal-data"] = kinds[name]
        if name in texts:
            field["x-free-text"] = True
    return _document(spec.name, schema, {})


def copy_schema(spec: EventSpec, name: str) -> Schema:
    """The schema of copies of an event type, which hold no personal data."""
    schema = event_schema(spec)
    kept = {field: part for field, part in schema["properties"].items() if "x-personal-data" not in part}
    return _document(name, {**schema, "properties": kept}, {})


def union_schema(name: str, records: Sequence[Schema]) -> Schema:
    """One schema for values that are any of these records."""
    if len(records) == 1:
        return records[0]
    definitions: Schema = {}
    for record in records:
        definitions |= record.get("$defs", {})
        definitions[record["title"]] = {word: part for word, part in record.items() if not word.startswith("$")}
    return _document(name, {"anyOf": [{"$ref": f"#/$defs/{record['title']}"} for record in records]}, definitions)


def _document(name: str, schema: Schema, definitions: Schema) -> Schema:
    head = {"$schema": DIALECT, "$id": f"urn:norce-pipeline:{name}", "title": name}
    document = {**head, **{keyword: value for keyword, value in schema.items() if keyword not in head}}
    return {**document, "$defs": definitions} if definitions else document
