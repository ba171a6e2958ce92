"""What deviates from the documented fields, and that the set of it depends on nothing but the bodies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.drift.deviations import Deviation, Kind, look
from pipeline.drift.shapes import NotAnObject, read_object, shape_of
from pipeline.drift.suggestions import suggestion
from pipeline.events import EVENT_TYPES, EventSpec, UnusableBody, parse
from tests.drift.bodies import (
    CONFIRMED,
    CONFIRMED_BODY,
    EXPORT,
    INVOICE,
    PAYMENT,
    PAYMENT_BODY,
    RECEIVED,
    RECEIVED_BODY,
    drifted,
    encode,
    values,
)


def deviations(spec: EventSpec, body: dict[str, Any]) -> list[Deviation]:
    return list(look(spec, encode(body)).deviations)


def the_one(spec: EventSpec, body: dict[str, Any]) -> Deviation:
    (found,) = deviations(spec, body)
    return found


def keys(bodies: Iterable[bytes]) -> set[str]:
    return {deviation.key for body in bodies for deviation in look(CONFIRMED, body).deviations}


# -- what is drift ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "body"),
    [
        (CONFIRMED, CONFIRMED_BODY),
        (CONFIRMED, {**CONFIRMED_BODY, "CellPhone": None, "FirstName": "Test"}),
        (PAYMENT, {**PAYMENT_BODY, "Amount": 10}),
        (PAYMENT, {**PAYMENT_BODY, "Amount": 10.5, "CurrencyCode": "SEK"}),
        (INVOICE, {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 3, "State": "Error"}),
        (EXPORT, {"ClientId": 1}),
    ],
)
def test_a_body_as_documented_is_no_drift(spec: EventSpec, body: dict[str, Any]) -> None:
    assert deviations(spec, body) == []


@pytest.mark.parametrize(
    ("value", "observed", "annotation"),
    [
        ("x", "string", "str | None"),
        (7, "integer", "Int64 | None"),
        (7.5, "number", "Number | None"),
        (True, "boolean", "bool | None"),
        (None, "null", "Any | None"),
        ([1, "x", 2], ["integer", "string"], "list[Any] | None"),
        ({"Code": "x", "Rows": [{"No": 1}]}, {"Code": "string", "Rows": [{"No": "integer"}]}, "dict[str, Any] | None"),
    ],
)
def test_an_added_field_is_drift_with_its_shape_and_the_attribute_to_add(
    value: Any, observed: Any, annotation: str
) -> None:
    found = the_one(CONFIRMED, {**CONFIRMED_BODY, "GiftWrap": value})
    assert (found.kind, found.field, found.observed) == (Kind.ADDED, "GiftWrap", observed)
    assert suggestion(CONFIRMED, found) == f"add `gift_wrap: {annotation} = None` to OrderConfirmedEvent"


def test_an_attribute_whose_name_does_not_give_back_norces_is_suggested_with_its_alias() -> None:
    found = the_one(CONFIRMED, {**CONFIRMED_BODY, "EAN": "x"})
    assert 'add `ean: str | None = Field(default=None, alias="EAN")`' in suggestion(CONFIRMED, found)


def test_an_added_field_that_sounds_personal_comes_with_a_reminder_to_classify_it() -> None:
    found = the_one(CONFIRMED, {**CONFIRMED_BODY, "BillingEmail": "x"})
    assert "mark it with PersonalData" in suggestion(CONFIRMED, found)


@pytest.mark.parametrize(
    ("spec", "body", "observed", "change"),
    [
        (CONFIRMED, {**CONFIRMED_BODY, "OrderNo": 7}, "integer", "`order_no` of OrderConfirmedEvent be `Int64 | str`"),
        (CONFIRMED, {**CONFIRMED_BODY, "OrderNo": None}, "null", "be `str | None`; it is `str`"),
        (CONFIRMED, {**CONFIRMED_BODY, "OrderId": 5.5}, "number", "be `Int64 | Number`; it is `Int64`"),
        (RECEIVED, {**RECEIVED_BODY, "Email": {"To": "x"}}, {"To": "string"}, "be `dict[str, Any] | str | None`"),
        (PAYMENT, {**PAYMENT_BODY, "Amount": "10.5"}, "string", "`amount` of OrderPaymentReceivedEvent be `Number | s"),
    ],
)
def test_a_retyped_field_is_drift_with_the_wider_type(
    spec: EventSpec, body: dict[str, Any], observed: Any, change: str
) -> None:
    found = the_one(spec, body)
    assert (found.kind, found.observed) == (Kind.RETYPED, observed)
    assert change in suggestion(spec, found)


def test_a_required_field_that_is_gone_is_drift() -> None:
    body = {name: value for name, value in CONFIRMED_BODY.items() if name != "OrderNo"}
    found = the_one(CONFIRMED, body)
    assert (found.kind, found.field) == (Kind.MISSING, "OrderNo")
    assert suggestion(CONFIRMED, found).endswith("be left out: `order_no: str | None = None`")


def test_a_value_of_the_right_type_that_the_model_refuses_is_drift_that_names_the_rule() -> None:
    found = the_one(INVOICE, {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 3, "State": "Planted"})
    assert (found.kind, found.field, found.rule) == (Kind.REFUSED, "State", "literal_error")
    assert "`literal_error`" in suggestion(INVOICE, found)


def test_each_field_of_a_type_known_by_name_only_is_news_once() -> None:
    found = the_one(EXPORT, {"ClientId": 1, "ExportId": 9})
    assert (found.kind, found.field) == (Kind.ADDED, "ExportId")
    assert "a model of its own for ExportDeliveredEvent" in suggestion(EXPORT, found)


def test_two_types_of_one_added_field_are_two_shapes_and_two_values_are_one() -> None:
    bodies = [encode({**CONFIRMED_BODY, "GiftWrap": value}) for value in (1, 2, "a", "b", 3)]
    assert len(keys(bodies)) == 2


@given(drifted)
def test_drift_that_refuses_a_body_is_what_the_connector_refuses(body: bytes) -> None:
    """The watch and the connector never disagree about whether a body fits."""
    refusing = {Kind.RETYPED, Kind.MISSING, Kind.REFUSED}
    try:
        parse(CONFIRMED, body)
    except UnusableBody:
        accepted = False
    else:
        accepted = True
    assert accepted is not any(found.kind in refusing for found in look(CONFIRMED, body).deviations)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"\xff", b"{", b"[" * 60_000, b'{"x": ' + b"9" * 5000 + b"}"])
def test_a_body_without_fields_has_no_shape(body: bytes) -> None:
    with pytest.raises(NotAnObject):
        look(CONFIRMED, body)


# -- order and number do not matter ----------------------------------------------------------------------------------


@given(st.data())
def test_the_set_of_reports_depends_neither_on_the_order_of_bodies_nor_on_repeats(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(drifted, max_size=6))
    shuffled = data.draw(st.permutations(bodies))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(bodies), max_size=4) if bodies else st.just([]))]
    assert keys(repeated) == keys(bodies)


@given(st.lists(values, max_size=5).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_shape_of_an_array_depends_neither_on_the_order_nor_on_the_number_of_elements(
    arrays: tuple[list[Any], list[Any]],
) -> None:
    elements, shuffled = arrays
    assert shape_of(elements) == shape_of([*shuffled, *elements])


# -- no values -------------------------------------------------------------------------------------------------------


@given(st.data())
def test_no_shape_holds_anything_but_names_of_fields_and_types(data: st.DataObject) -> None:
    types = {"null", "boolean", "integer", "number", "string", "array", "object", "any"}
    value = data.draw(values)

    def check(shape: Any) -> None:
        if isinstance(shape, dict):
            assert set(shape) <= {"GiftWrap", "CellPhone", "OrderNo", "Source", "*"}
            for inner in shape.values():
                check(inner)
        elif isinstance(shape, list):
            for inner in shape:
                check(inner)
        else:
            assert shape in types

    check(shape_of(value))


def test_the_keys_of_a_map_are_not_taken_for_names_of_fields() -> None:
    by_mail = {"planted@example.com": 1, "070 123": 2, "x" * 65: 3}
    assert shape_of(by_mail) == {"*": "integer"}
    assert shape_of({f"planted{n}": n for n in range(65)}) == {"*": "integer"}


def test_shapes_are_bounded_in_depth_and_width() -> None:
    deep: Any = 1
    for _ in range(9):
        deep = {"x": deep}
    assert shape_of(deep) == {"x": {"x": {"x": {"x": "object"}}}}
    assert shape_of([{f"f{n}": 1} for n in range(9)]) == "array"


def test_a_whole_number_written_with_a_fraction_is_a_number() -> None:
    assert shape_of(read_object(b'{"a": 1, "b": 1.0, "c": 1e2, "d": true}')) == {
        "a": "integer",
        "b": "number",
        "c": "number",
        "d": "boolean",
    }


@pytest.mark.parametrize("spec", EVENT_TYPES.values(), ids=lambda spec: spec.name)
def test_every_event_type_can_be_looked_at(spec: EventSpec) -> None:
    found = look(spec, b'{"GiftWrap": 1}').deviations
    assert {deviation.kind for deviation in found} == {Kind.ADDED, Kind.MISSING}
    assert all(suggestion(spec, deviation) for deviation in found)
