"""When something is asked: once, again when it is stale, later and later when it is unknown, and never for an echo."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Arrival, OrderKey, advance
from pipeline.domain.lookups import InvoiceLookedUp, ProductLookedUp, encode_answer
from pipeline.lookup import memory
from pipeline.lookup.memory import Entry, Rule, Source
from pipeline.lookup.questions import Question, Unreadable, question_of
from tests.domain.events import KEY, START, payment, received, status
from tests.domain.groups import INVOICE, PRODUCT, capture, entity, price
from tests.domain.test_lookups import order_said, told

SECOND = 1_000_000
RULE = Rule(age=3600 * SECOND, unknown_wait=60 * SECOND, unknown_wait_max=200 * SECOND, unknown_tries=4)
SOURCE = Source("norce.orders.enriched", 0, 7, 0)
SAID = ProductLookedUp(number=1, name="A chair")


def question(version: int = 1, basis: str = "a", lookup_number: int = 0) -> Question:
    return Question("order", "1:2:1001", 2, basis, version, lookup_number)


def first(now: int = 0) -> Entry:
    entry = memory.seen(None, question(), SOURCE, now, RULE)
    assert entry is not None
    return entry


def answered(now: int = 0) -> Entry:
    asked = memory.reserved(first(now))
    return memory.answered(asked, asked, SAID, now)[0]


def test_what_was_never_asked_is_due_at_once() -> None:
    assert (first(5).due, first(5).number) == (5, 0)
    assert memory.reserved(first()).number == 1


def test_an_answer_is_not_asked_for_again_by_its_own_echo_or_a_redelivery() -> None:
    entry = answered()
    assert entry.due is None
    assert memory.seen(entry, question(version=2, lookup_number=1), SOURCE, 1, RULE) is None
    assert memory.seen(entry, question(version=1), SOURCE, 1, RULE) is None


def test_news_that_matters_makes_an_answer_stale() -> None:
    again = memory.seen(answered(), question(version=2, basis="b"), SOURCE, 9, RULE)
    assert again is not None
    assert (again.due, again.number) == (9, 1)


def test_a_record_that_is_read_again_after_newer_ones_asks_nothing() -> None:
    newer = memory.seen(answered(), question(version=2, basis="b"), SOURCE, 9, RULE)
    assert memory.seen(newer, question(version=1, basis="a"), SOURCE, 10, RULE) is None


def test_an_old_answer_is_stale_whatever_the_news() -> None:
    entry = answered(0)
    assert memory.seen(entry, question(version=2), SOURCE, 3600 * SECOND - 1, RULE) is None
    again = memory.seen(entry, question(version=2), SOURCE, 3600 * SECOND, RULE)
    assert again is not None
    assert again.due == 3600 * SECOND
    assert memory.seen(entry, question(version=2), SOURCE, 10**18, msgspec.structs.replace(RULE, age=None)) is None


def test_numbers_go_on_from_what_records_show_when_the_table_was_lost() -> None:
    entry = memory.seen(None, question(lookup_number=41), SOURCE, 0, RULE)
    assert entry is not None
    assert memory.reserved(entry).number == 42


def test_the_same_answer_again_is_no_news() -> None:
    entry = answered()
    assert memory.answered(entry, entry, msgspec.structs.replace(SAID, number=9), 1)[1] is False
    assert memory.answered(entry, entry, ProductLookedUp(number=9, name="B"), 1)[1] is True


def test_what_is_unknown_is_asked_for_later_and_later_and_then_left_alone() -> None:
    entry, now, waits = first(), 0, []
    while entry.due is not None:
        now = entry.due
        entry = memory.reserved(entry)
        entry = memory.unknown(entry, entry, now, RULE)
        waits.append(None if entry.due is None else (entry.due - now) // SECOND)
    assert waits == [60, 120, 200, None]
    assert memory.seen(entry, question(version=2), SOURCE, now + 1, RULE) is None
    assert memory.seen(entry, question(version=2, basis="b"), SOURCE, now + 1, RULE) is not None


def test_what_was_refused_is_not_asked_again_before_there_is_news() -> None:
    entry = memory.refused(first(), first())
    assert entry.due is None
    assert memory.seen(entry, question(version=2), SOURCE, 1, RULE) is None
    assert memory.seen(entry, question(version=2, basis="b"), SOURCE, 1, RULE) is not None


@pytest.mark.parametrize("end", ["answered", "unknown", "refused"])
def test_news_that_comes_while_norce_is_asked_stays_due(end: str) -> None:
    asked = memory.reserved(first())
    meanwhile = memory.seen(asked, question(version=2, basis="b"), SOURCE, 5, RULE)
    assert meanwhile is not None
    ends = {
        "answered": lambda: memory.answered(meanwhile, asked, SAID, 9)[0],
        "unknown": lambda: memory.unknown(meanwhile, asked, 9, RULE),
        "refused": lambda: memory.refused(meanwhile, asked),
    }
    after = ends[end]()
    assert (after.due, after.question.basis, after.unknown) == (5, "b", 0)


@given(st.lists(st.sampled_from(["news", "echo", "answer", "unknown", "refused"]), max_size=30))
def test_no_number_is_given_twice_whatever_happens(steps: list[str]) -> None:
    entry, version, numbers = first(), 1, []
    for now, step in enumerate(steps):
        version += 1
        if step in ("news", "echo"):
            basis = f"b{version}" if step == "news" else entry.question.basis
            entry = memory.seen(entry, question(version, basis), SOURCE, now, RULE) or entry
        elif entry.due is not None:
            entry = memory.reserved(entry)
            numbers.append(entry.number)
            if step == "answer":
                entry = memory.answered(entry, entry, SAID, now)[0]
            elif step == "unknown":
                entry = memory.unknown(entry, entry, now, RULE)
            else:
                entry = memory.refused(entry, entry)
    assert numbers == sorted(set(numbers))


def record(key: object, *arrivals: Arrival, before: bytes | None = None) -> tuple[bytes, bytes]:
    """The stored state and the enriched record."""
    done = advance(key, before, arrivals)  # type: ignore[arg-type]
    assert done.stored is not None
    assert done.record is not None
    return done.stored, done.record


def asked(kind: str, key: object, value: bytes, applications: dict[str, int] | None = None) -> Question:
    found = question_of(kind, key.text, value, applications or {})  # type: ignore[attr-defined,arg-type]
    assert found is not None
    return found


def test_an_order_is_asked_about_anew_when_its_status_or_number_changes_and_not_for_its_own_answer() -> None:
    stored, shown = record(KEY, received(0))
    before = asked("order", KEY, shown)
    assert (before.application_id, before.order_id, before.lookup_number) == (2, None, 0)
    _, echoed = record(KEY, told(order_said(3)), before=stored)
    echo = asked("order", KEY, echoed)
    assert (echo.basis, echo.lookup_number) == (before.basis, 3)
    assert echo.version > before.version
    _, numbered = record(KEY, status("Confirmed", 1), before=stored)
    assert asked("order", KEY, numbered).basis != before.basis
    assert asked("order", KEY, numbered).order_id == 5


def test_a_payment_beside_a_known_number_asks_nothing() -> None:
    stored, confirmed = record(KEY, status("Confirmed"))
    _, paid = record(KEY, payment(1), before=stored)
    assert asked("order", KEY, paid).basis == asked("order", KEY, confirmed).basis


def test_a_product_is_asked_about_anew_when_it_changed_and_not_for_a_price() -> None:
    stored, shown = record(PRODUCT, entity("SkuChangedNotification", 0, ApplicationId=3))
    before = asked("product", PRODUCT, shown)
    assert before.application_id == 3
    _, priced = record(PRODUCT, price(1), before=stored)
    assert asked("product", PRODUCT, priced).basis == before.basis
    _, changed = record(PRODUCT, entity("SkuChangedNotification", 120 * SECOND), before=stored)
    assert asked("product", PRODUCT, changed).basis != before.basis


def test_a_product_without_an_application_is_asked_for_with_that_of_its_client_or_not_at_all() -> None:
    _, shown = record(PRODUCT, price(0))
    assert question_of("product", PRODUCT.text, shown, {}) is None
    assert asked("product", PRODUCT, shown, {"1": 7, "*": 9}).application_id == 7
    assert asked("product", PRODUCT, shown, {"*": 9}).application_id == 9


def test_an_invoice_is_asked_about_until_it_has_an_order() -> None:
    stored, shown = record(INVOICE, capture("Error"))
    assert asked("invoice", INVOICE, shown).application_id == 2
    said = Arrival("InvoiceLookedUp", encode_answer(InvoiceLookedUp(number=1, order_key="1:2:3")), "a", START)
    _, joined = record(INVOICE, said, before=stored)
    assert question_of("invoice", INVOICE.text, joined, {}) is None


def test_what_is_no_enriched_record_is_named() -> None:
    with pytest.raises(Unreadable, match="no enriched order"):
        question_of("order", OrderKey(1, 2, "3").text, b'{"version": 1}', {})
