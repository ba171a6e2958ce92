"""What may change: every rule with a change that keeps it and one that breaks it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import topics
from pipeline.contracts import Change, Documents, Effect, changes, documents, schema_changes
from pipeline.contracts.documents import ASYNCAPI

Json = dict[str, Any]

BEFORE: Json = {
    "$defs": {
        "Status": {"enum": ["new", "paid"]},
        "Line": {"type": "object", "properties": {"no": {"type": "string"}}},
    },
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {"$ref": "#/$defs/Status"},
        "total": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "ref": {"type": "string", "pattern": "^x"},
        "sums": {"type": "object", "additionalProperties": {"type": "string"}},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "note": {"type": "string", "description": "a note"},
    },
    "required": ["id", "status", "total", "count"],
}


def changed(change: Callable[[Json], Any], before: Json = BEFORE) -> list[str]:
    after = copy.deepcopy(before)
    change(after)
    return [str(found) for found in schema_changes(before, after)]


def field(name: str, schema: Json) -> Callable[[Json], Any]:
    return lambda after: after["properties"].update({name: schema})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a["properties"].pop("note"), "breaking: note: was removed"),
        (
            lambda a: (a["properties"].pop("id"), a["required"].remove("id")),
            "breaking: id: was removed",
        ),
        (lambda a: a["$defs"]["Line"]["properties"].clear(), "breaking: lines[].no: was removed"),
        (lambda a: a["required"].remove("id"), "breaking: id: is not always there any more"),
        (
            lambda a: a["required"].append("note"),
            "breaking: note: is said to be always there, and stored records may lack it",
        ),
        (field("id", {"type": "integer"}), "breaking: id: may now be of type integer"),
        (field("id", {"type": ["string", "null"]}), "breaking: id: may now be None"),
        (field("count", {"type": "number", "minimum": 0, "maximum": 9}), "breaking: count: may now be of type number"),
        (
            field("total", {"type": "string"}),
            "breaking: total: is said never to be None, and stored records may be",
        ),
        (lambda a: a["$defs"]["Status"]["enum"].append("sent"), "breaking: status: may now be 'sent'"),
        (
            lambda a: a["$defs"]["Status"]["enum"].remove("new"),
            "breaking: status: is said never to be 'new', and stored records may be",
        ),
        (
            lambda a: a["properties"]["count"].update(maximum=10),
            "breaking: count: keeps no longer to the",
        ),
        (lambda a: a["properties"]["count"].update(maximum=8), "breaking: count: has a stricter maximum"),
        (lambda a: a["properties"]["ref"].pop("pattern"), "breaking: ref: keeps no longer to the"),
        (
            lambda a: a["properties"]["ref"].update(pattern="^y"),
            "breaking: ref: keeps no longer to the",
        ),
        (lambda a: a["properties"]["id"].update(format="uuid"), "breaking: id: has a stricter format"),
        (lambda a: a["properties"]["id"].update(contentEncoding="base64"), "breaking: id: keeps no longer to"),
        (
            field("sums", {"type": "object", "additionalProperties": {"type": "integer"}}),
            "breaking: sums{}: may now",
        ),
    ],
)
def test_a_change_that_could_break_a_reader_is_found_and_named(change: Callable[[Json], Any], said: str) -> None:
    found = changed(change)
    assert any(each.startswith(said) for each in found), found


def test_a_removed_field_is_told_once() -> None:
    assert changed(lambda a: (a["properties"].pop("id"), a["required"].remove("id"))) == ["breaking: id: was removed"]


def test_a_new_field_that_may_be_absent_is_compatible_at_any_depth() -> None:
    assert changed(field("colour", {"type": "string"})) == ["compatible: colour: new, may be absent"]
    found = changed(lambda a: a["$defs"]["Line"]["properties"].update(sku={"type": "string"}))
    assert found == ["compatible: lines[].sku: new, may be absent"]


def test_a_new_field_that_is_always_there_is_breaking_because_stored_records_lack_it() -> None:
    found = changed(lambda a: (a["properties"].update(colour={"type": "string"}), a["required"].append("colour")))
    assert found == ["breaking: colour: is said to be always there, and stored records may lack it"]


def test_a_new_object_is_told_as_one_field() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "string"}}}
    assert changed(field("place", inner)) == ["compatible: place: new, may be absent"]


def test_another_description_is_wording() -> None:
    found = changed(lambda a: a["properties"]["note"].update(description="more"))
    assert found == ["wording: note: description"]


@pytest.mark.parametrize(
    "change",
    [
        field("total", {"type": ["null", "string"]}),
        field("total", {"oneOf": [{"type": "null"}, {"type": "string"}]}),
        field("status", {"type": "string", "enum": ["paid", "new"]}),
        lambda a: a["$defs"].update(Unused={"type": "string"}),
        lambda a: a["properties"]["id"].update({"x-note": 1, "examples": ["a"], "title": "Id"}),
    ],
)
def test_saying_the_same_in_other_words_is_no_change(change: Callable[[Json], Any]) -> None:
    assert changed(change) == []


def test_a_schema_that_refers_to_itself_is_compared() -> None:
    tree: Json = {
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "n": {"type": "string"}}}
        },
        "$ref": "#/$defs/Node",
    }
    assert changed(lambda a: None, tree) == []
    found = changed(lambda a: a["$defs"]["Node"]["properties"].update(n={"type": "integer"}), tree)
    assert "breaking: n: may now be of type integer" in found


def test_records_of_several_kinds_are_told_apart_by_their_tag() -> None:
    def kind(tag: str, **fields: Json) -> Json:
        return {"type": "object", "properties": {"t": {"enum": [tag]}, **fields}, "required": ["t", *fields]}

    union: Json = {"anyOf": [kind("a", x={"type": "string"}), kind("b", y={"type": "integer"})]}
    assert changed(lambda a: None, union) == []
    found = changed(lambda a: a["anyOf"].append(kind("c")), union)
    assert "breaking: t: may now be 'c'" in found


# -- topics ----------------------------------------------------------------------------------------------------------

DOCUMENTS = documents("1.0.0")
ORDERS = topics.ORDERS_ENRICHED


def altered(change: Callable[[Json], Any]) -> list[Change]:
    """The changes between a contract and one in which the AsyncAPI document was altered."""
    after: Json = copy.deepcopy(dict(DOCUMENTS))
    change(after[ASYNCAPI])
    return changes(DOCUMENTS, after)


def configuration(document: Json, topic: str) -> Json:
    found: Json = document["channels"][topic]["bindings"]["kafka"]["topicConfiguration"]
    return found


def channel(name: str) -> Callable[[Json], Any]:
    return lambda document: document["channels"].pop(name)


DAY = 86_400_000


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        (channel(ORDERS), Effect.BREAKING),
        (lambda d: configuration(d, ORDERS).update({"cleanup.policy": ["delete"]}), Effect.BREAKING),
        (lambda d: configuration(d, topics.UPDATES).update({"retention.ms": 29 * DAY}), Effect.BREAKING),
        (lambda d: configuration(d, topics.UPDATES).update({"retention.ms": 31 * DAY}), Effect.COMPATIBLE),
        (lambda d: configuration(d, topics.UPDATES).pop("retention.ms"), Effect.COMPATIBLE),
        (lambda d: configuration(d, ORDERS).update({"retention.ms": DAY}), Effect.BREAKING),
        (
            lambda d: d["components"]["messages"]["EnrichedOrder"]["bindings"]["kafka"]["key"].update(title="OrderNo"),
            Effect.BREAKING,
        ),
        (lambda d: d["components"]["messages"]["EnrichedOrder"].pop("bindings"), Effect.BREAKING),
        (
            lambda d: d["components"]["messages"]["EnrichedOrder"]["headers"]["properties"].pop("content-type"),
            Effect.BREAKING,
        ),
        (lambda d: d["components"]["messages"]["EnrichedOrder"].update(contentType="text/csv"), Effect.BREAKING),
        (lambda d: d["components"]["messages"]["EnrichedOrder"].pop("payload"), Effect.BREAKING),
        (lambda d: d["channels"][topics.UPDATES]["messages"].pop("ConnectUpdate"), Effect.BREAKING),
        (lambda d: d["channels"][ORDERS].update(description="other words"), Effect.WORDING),
    ],
)
def test_a_change_of_a_topic_has_its_effect(change: Callable[[Json], Any], effect: Effect) -> None:
    assert {found.effect for found in altered(change)} == {effect}


def without(change: Callable[[Json], Any]) -> list[Change]:
    """The changes from a contract that lacked something to the one of today."""
    before: Json = copy.deepcopy(dict(DOCUMENTS))
    change(before[ASYNCAPI])
    return changes(before, DOCUMENTS)


def test_a_new_topic_is_compatible() -> None:
    assert without(channel(ORDERS)) == [Change(Effect.COMPATIBLE, ORDERS, "new topic")]


def test_a_new_event_type_is_compatible_because_readers_skip_a_ce_type_they_do_not_know() -> None:
    found = without(lambda d: d["channels"]["norce.events.order"]["messages"].pop("OrderDeliveredEvent"))
    assert [change.effect for change in found] == [Effect.COMPATIBLE]


def test_a_new_kind_of_record_without_a_ce_type_is_breaking() -> None:
    found = without(lambda d: d["channels"][topics.UPDATES]["messages"].pop("ConnectUpdate"))
    assert [change.effect for change in found] == [Effect.BREAKING]


def test_the_same_contract_has_no_changes() -> None:
    same: Documents = copy.deepcopy(dict(DOCUMENTS))
    assert changes(DOCUMENTS, same) == []
