"""Amounts are exact, and each has one text."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import StateLimitExceeded, fold
from pipeline.domain.amounts import plain, total
from tests.domain.events import KEY, arrival, payment, state_of, view_of

amounts = st.decimals(-(10**15), 10**15, places=4)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("249.5", "249.50"),
        ("249.50", "249.50"),
        ("2.495E+2", "249.50"),
        ("100", "100.00"),
        ("1E+2", "100.00"),
        ("0.125", "0.125"),
        ("1E-7", "0.0000001"),
        ("-12.30", "-12.30"),
        ("0", "0.00"),
        ("-0.0", "0.00"),
        ("0E+5", "0.00"),
        ("99999999999999999999", "99999999999999999999.00"),
    ],
)
def test_an_amount_has_one_plain_text_with_at_least_two_decimals(sent: str, text: str) -> None:
    assert plain(Decimal(sent)) == text


@given(amounts)
def test_the_text_of_an_amount_is_the_amount(amount: Decimal) -> None:
    assert Decimal(plain(amount)) == amount
    assert "E" not in plain(amount)


@given(st.lists(amounts, min_size=1, max_size=50))
def test_a_sum_is_exact(values: list[Decimal]) -> None:
    assert Fraction(total([plain(value) for value in values])) == sum(Fraction(value) for value in values)


def test_a_sum_does_not_depend_on_the_precision_someone_else_has_set() -> None:
    with localcontext(prec=3):
        assert total(["12345678.91", "0.01"]) == "12345678.92"


@given(st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 2)), min_size=1, max_size=8))
def test_paid_is_the_exact_sum_of_the_numbers_as_norce_wrote_them(values: list[float]) -> None:
    events = [payment(PaymentCode=f"P{number}", Amount=value) for number, value in enumerate(values)]
    assert Fraction(view_of(*events).paid["SEK"]) == sum(Fraction(json.dumps(value)) for value in values)


@pytest.mark.parametrize("spellings", [("249.5", "249.50", "2.495e2"), ("100", "100.0", "1E2"), ("0", "-0.0")])
def test_spellings_of_one_amount_are_one_fact(spellings: tuple[str, ...]) -> None:
    body = '{"ClientId":1,"ApplicationId":2,"ClientOrderRef":"1001","ErpOrderNo":"E","PaymentCode":"P","Amount":%s}'
    events = [arrival("OrderPaymentReceivedEvent", json.loads(body % spelling)) for spelling in spellings]
    assert len(state_of(events).facts) == 1


@pytest.mark.parametrize("amount", [1e20, 1e300, 1e-21, 5e-324])
def test_an_amount_of_absurd_length_is_refused_by_name(amount: float) -> None:
    with pytest.raises(StateLimitExceeded, match="more than 20 digits"):
        fold(KEY, None, [payment(Amount=amount)])


def test_a_sum_that_needs_more_digits_than_an_amount_may_have_is_still_exact() -> None:
    largest = "99999999999999999999.00"
    assert total([largest, largest]) == "199999999999999999998.00"
