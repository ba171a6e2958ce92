"""A body is taken only if every reader would understand it the same way."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.events import EVENT_TYPES, EventSpec, Reason, UnusableBody, parse
from pipeline.events.models import OrderPaymentReceivedEvent
from tests.events.schema import doubles, json_values

JOB = EVENT_TYPES["JobCompletedEvent"]
PAYMENT = EVENT_TYPES["OrderPaymentReceivedEvent"]
ORDER = EVENT_TYPES["OrderReceivedEvent"]


def job(extra: str = "") -> bytes:
    return f'{{"ClientId": 1, "JobId": 2, "StatusId": 3{extra}}}'.encode()


def payment(amount: str) -> bytes:
    head = '"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "ErpOrderNo": "9", "PaymentCode": "p1"'
    return f'{{{head}, "Amount": {amount}}}'.encode()


def refusal(spec: EventSpec, body: bytes) -> UnusableBody:
    with pytest.raises(UnusableBody) as caught:
        parse(spec, body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (job()[:-1], Reason.NOT_JSON),
        (job() + b"{}", Reason.NOT_JSON),
        (b"\xef\xbb\xbf" + job(), Reason.NOT_JSON),
        (job().decode().encode("utf-16"), Reason.NOT_UTF8),
        (job(', "x": "') + b'\xff"}', Reason.NOT_UTF8),
        (job(', "x": "a\nb"'), Reason.NOT_JSON),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"7", Reason.NOT_AN_OBJECT),
        (b"[" + job() + b"]", Reason.NOT_AN_OBJECT),
        (job(', "x": NaN'), Reason.NOT_FINITE),
        (job(', "x": -Infinity'), Reason.NOT_FINITE),
        (job(', "x": {"y": [1e400]}'), Reason.NOT_FINITE),
        (job(', "x": 1e-999999999999999999999'), Reason.INEXACT_NUMBER),
        (job(', "x": ' + "9" * 5000), Reason.TOO_LARGE_NUMBER),
        (job(', "JobId": 2'), Reason.DUPLICATE_KEY),
        (job(', "x": [{"y": 1, "z": {"a": 1, "a": 1}}]'), Reason.DUPLICATE_KEY),
        (job(', "x": "\\ud800"'), Reason.LONE_SURROGATE),
        (job(', "\\udfff": 1'), Reason.LONE_SURROGATE),
        (job(', "x": ' + "[" * 60_000), Reason.TOO_DEEP),
        (job(', "JobId\\u0000": 1')[:-1] + b', "x": {"a": ' * 500, Reason.NOT_JSON),
        (b"{}", Reason.WRONG_FIELDS),
        (b'{"ClientId": "1", "JobId": 2, "StatusId": 3}', Reason.WRONG_FIELDS),
        (b'{"ClientId": true, "JobId": 2, "StatusId": 3}', Reason.WRONG_FIELDS),
        (b'{"ClientId": 1.0, "JobId": 2, "StatusId": 3}', Reason.WRONG_FIELDS),
        (b'{"ClientId": 2147483648, "JobId": 2, "StatusId": 3}', Reason.WRONG_FIELDS),
        (b'{"ClientId": 1, "JobId": 2, "StatusId": true}', Reason.WRONG_FIELDS),
        (b'{"client_id": 1, "job_id": 2, "status_id": 3}', Reason.WRONG_FIELDS),
    ],
)
def test_a_bad_body_is_refused_with_its_reason(body: bytes, reason: Reason) -> None:
    assert refusal(JOB, body).reason is reason


def test_ten_levels_are_taken_and_eleven_are_too_deep() -> None:
    assert parse(JOB, job(', "x": ' + "[" * 9 + "]" * 9)).client_id == 1
    assert refusal(JOB, job(', "x": ' + "[" * 10 + "]" * 10)).reason is Reason.TOO_DEEP
    assert refusal(JOB, job(', "x": ' + '{"a": ' * 10 + "1" + "}" * 10)).reason is Reason.TOO_DEEP


@pytest.mark.parametrize(
    ("literal", "amount"),
    [
        ("0.1", "0.1"),
        ("1.10", "1.1"),
        ("100.00", "100"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("12345678901234.56", "12345678901234.56"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993", "9007199254740993"),
        ("1e22", "10000000000000000000000"),
    ],
)
def test_an_amount_is_the_exact_shortest_decimal(literal: str, amount: str) -> None:
    event = parse(PAYMENT, payment(literal))
    assert isinstance(event, OrderPaymentReceivedEvent)
    assert str(event.amount) == amount


@pytest.mark.parametrize("literal", ["66.66666666666666666667", "9223372036854775809", "1e-400"])
def test_an_amount_that_a_double_cannot_hold_is_refused_and_not_rounded(literal: str) -> None:
    error = refusal(PAYMENT, payment(literal))
    assert (error.reason, error.where) == (Reason.INEXACT_NUMBER, "Amount")


@pytest.mark.parametrize("literal", ['"5"', "true", "[]"])
def test_an_amount_is_a_number_and_nothing_that_looks_like_one(literal: str) -> None:
    error = refusal(PAYMENT, payment(literal))
    assert (error.reason, error.where) == (Reason.WRONG_FIELDS, "Amount")


@given(doubles)
@example(5e-324)
@example(1.7976931348623157e308)
def test_every_double_is_read_without_error(value: float) -> None:
    event = parse(PAYMENT, payment(repr(value)))
    assert isinstance(event, OrderPaymentReceivedEvent)
    assert event.amount == Decimal(repr(value))


@given(st.binary(max_size=60) | st.builds(lambda value: json.dumps(value).encode(), json_values))
@example(b'{"a": "\\ud83d\\ude00"}')
def test_any_bytes_are_either_taken_or_refused_with_a_reason(body: bytes) -> None:
    refused: UnusableBody | None = None
    try:
        parse(EVENT_TYPES["ExportDeliveredEvent"], body)
    except UnusableBody as error:
        refused = error
    assert refused is None or (refused.reason in Reason and refused.detail)


@given(st.binary(max_size=20), st.integers(min_value=0, max_value=40))
def test_what_the_worker_reads_with_the_model_alone_is_what_was_parsed(noise: bytes, place: int) -> None:
    whole = job(', "Added": [1.5, "å"]')
    body = whole[:place] + noise + whole[place:]
    try:
        event = parse(JOB, body)
    except UnusableBody:
        return
    assert JOB.model.model_validate_json(body) == event


def test_a_refusal_never_repeats_a_value_of_the_body() -> None:
    body = b'{"ClientId": "secret-1", "ApplicationId": 1, "ClientOrderRef": "", "Source": 3, "Email": ["secret-2"]}'
    error = refusal(ORDER, body)
    assert "Email" in error.detail
    assert "secret" not in f"{error} {error.detail} {error.where} {error!r}"


def test_a_refusal_of_a_body_with_endless_faults_stays_short() -> None:
    assert len(refusal(JOB, b'{"%s": 1, "%s": 1}' % (b"k" * 5000, b"k" * 5000)).where) <= 100


def test_an_unknown_field_is_kept() -> None:
    event = parse(JOB, job(', "Added": {"a": [1]}'))
    assert event.model_extra == {"Added": {"a": [1]}}


def test_a_field_called_like_one_of_our_attributes_changes_nothing() -> None:
    event = parse(JOB, job(', "client_id": 99, "model_fields": 1'))
    assert event.client_id == 1
