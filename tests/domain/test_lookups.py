"""What Norce answered when it was asked: the newest answer stands, whatever else is heard, and in whatever order."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import (
    KINDS,
    Advance,
    AlertPolicy,
    Arrival,
    InvoiceKey,
    InvoiceLookedUp,
    Key,
    Line,
    OrderKey,
    OrderLookedUp,
    Outcome,
    ProductKey,
    ProductLookedUp,
    Recorded,
    Said,
    State,
    UnreadableEvent,
    advance,
    changed,
    decode,
    encode,
    encode_answer,
    enriched,
    fold,
    key_of,
    merge,
    order_looked_up,
    review_change,
    version,
)
from pipeline.domain.limits import MAX_ANSWER_BYTES, MAX_LINES
from tests.domain.events import HOUR, KEY, SECOND, START, event_sequences, payment, received
from tests.domain.groups import INVOICE, PRODUCT, capture, entity, group_sequences, price

LINES = (
    Line(Decimal(2), "FREIGHT", "Freight", Decimal(1), Decimal("39.2"), Decimal(25), Decimal("39.2")),
    Line(Decimal(1), "SKU-1", "A chair", Decimal(2), Decimal("100.05"), Decimal(25), Decimal("200.1")),
)


def order_said(number: int = 1, lines: tuple[Line, ...] = LINES, order_id: int = 5) -> OrderLookedUp:
    return order_looked_up(order_id, "SEK", Decimal("39.2"), lines, number=number)


def told(said: Said, at: int = 0) -> Arrival:
    return Arrival(type(said).__name__, encode_answer(said), f"answer-{said.number}-{at}", START + at)


def view_of(key: Key, *arrivals: Arrival) -> Any:
    return KINDS[type(key)].view(key, fold(key, None, arrivals).state)


ANSWERS: dict[Key, list[Arrival]] = {
    KEY: [told(order_said(1), HOUR), told(order_said(2, LINES[:1]), 2 * HOUR), told(order_said(7), SECOND)],
    PRODUCT: [told(ProductLookedUp(number=n, name=name), HOUR) for n, name in ((1, "A"), (2, None), (5, "B"))],
    INVOICE: [told(InvoiceLookedUp(number=n, order_key=f"1:2:{n}"), n * HOUR) for n in (1, 2)],
}


@st.composite
def heard_and_told(draw: st.DrawFn) -> tuple[Key, list[Arrival]]:
    key = draw(st.sampled_from(list(ANSWERS)))
    events = draw(event_sequences(6)) if key == KEY else draw(group_sequences(6, (key,)))[1]
    answers = draw(st.lists(st.sampled_from(ANSWERS[key]), min_size=1))
    return key, draw(st.permutations([*events, *answers]))


@given(heard_and_told(), st.randoms(use_true_random=False), st.integers(0, 20))
def test_no_order_repetition_or_grouping_of_events_and_answers_changes_the_state(
    heard: tuple[Key, list[Arrival]], random: Random, cut: int
) -> None:
    key, arrivals = heard
    whole = fold(key, None, arrivals).state
    again = [*arrivals, *arrivals]
    random.shuffle(again)
    one_by_one: State | None = None
    for arrival in again:
        one_by_one = fold(key, one_by_one, [arrival]).state
    assert one_by_one is not None
    assert encode(one_by_one) == encode(whole)
    first, second = fold(key, None, arrivals[:cut]).state, fold(key, None, arrivals[cut:]).state
    assert merge(first, second) == merge(second, first) == merge(whole, first) == whole
    assert decode(encode(whole)) == whole


def test_all_permutations_of_events_and_answers_end_in_one_record() -> None:
    arrivals = [received(0), payment(HOUR), *ANSWERS[KEY]]
    ends = set()
    for order in itertools.permutations(arrivals):
        stored = None
        for arrival in order:
            stored = advance(KEY, stored, [arrival]).stored or stored
        assert stored is not None
        ends.add(enriched(KINDS[OrderKey].view(KEY, decode(stored))))
    assert len(ends) == 1
    (record,) = ends
    assert json.loads(record)["lookup_number"] == 7


@given(heard_and_told())
def test_every_record_that_shows_something_else_has_a_version_that_is_not_lower(
    heard: tuple[Key, list[Arrival]],
) -> None:
    key, arrivals = heard
    stored, before = None, None
    for arrival in arrivals:
        done = advance(key, stored, [arrival])
        stored = done.stored or stored
        if done.after is not None and before is not None and changed(before, done.after):
            rises = done.after.version > before.version
            assert rises or (type(key) is ProductKey and done.after.version == before.version)
        before = done.after or before


def test_an_answer_raises_the_version_of_an_order_and_of_a_product() -> None:
    for key, event in ((KEY, received(0)), (PRODUCT, price(0)), (INVOICE, capture("Error"))):
        state = fold(key, None, [event]).state
        versions = [version(state)]
        for answer in sorted(ANSWERS[key], key=lambda one: json.loads(one.body)["number"]):  # type: ignore[arg-type]
            state = fold(key, state, [answer]).state
            versions.append(version(state))
        assert versions == sorted(set(versions))


def test_an_order_shows_exact_totals_and_lines_in_their_order() -> None:
    view = view_of(KEY, received(0), told(order_said(3), HOUR))
    totals = view.totals
    assert (totals.currency, totals.excluding_vat, totals.vat, totals.including_vat) == (
        "SEK",
        "239.30",
        "59.825",
        "299.125",
    )
    assert totals.freight_excluding_vat == "39.20"
    assert [(line.line_no, line.part_no, line.quantity, line.line_total) for line in view.lines] == [
        ("1", "SKU-1", "2", "200.10"),
        ("2", "FREIGHT", "1", "39.20"),
    ]
    assert (view.lookup_number, view.looked_up_at) == (3, "2026-01-01T01:00:00.000000Z")
    assert [entry.event_type for entry in view.timeline] == ["OrderReceivedEvent"], "an answer is no event"


def test_before_it_was_looked_up_a_thing_shows_nothing_looked_up() -> None:
    order, product, invoice = view_of(KEY, received(0)), view_of(PRODUCT, price(0)), view_of(INVOICE, capture("Error"))
    assert (order.totals, order.lines, order.looked_up_at, order.lookup_number) == (None, (), None, 0)
    assert (product.name, product.looked_up_at, product.lookup_number) == (None, None, 0)
    assert (invoice.order_key, invoice.looked_up_at, invoice.lookup_number) == (None, None, 0)


def test_a_state_without_an_answer_is_stored_as_before_there_were_any() -> None:
    assert b"answer" not in encode(fold(KEY, None, [received(0)]).state)


def test_an_unknown_vat_rate_makes_no_total_up() -> None:
    lines = (LINES[0], LINES[1]._replace(vat_rate=None))
    totals = order_said(lines=lines).totals
    assert (totals.excluding_vat, totals.vat, totals.including_vat) == ("239.30", None, None)


def test_an_answer_ahead_of_the_events_is_kept_and_shown_with_the_first_one() -> None:
    early = advance(KEY, None, [told(order_said())])
    assert (early.record, early.outcomes) == (None, (Outcome.APPLIED,))
    assert early.stored is not None
    done = advance(KEY, early.stored, [received(0)])
    assert done.before is None
    assert done.record is not None
    assert json.loads(done.record)["totals"]["excluding_vat"] == "239.30"


def test_an_answer_ahead_of_the_events_in_one_batch_with_them_opens_alerts_as_ever() -> None:
    arrivals = [told(InvoiceLookedUp(number=1, order_key="1:2:a:b")), capture("Error", HOUR)]
    done = advance(INVOICE, None, arrivals)
    assert done.after is not None
    found = review_change(INVOICE, done, Recorded(), AlertPolicy.of(), START + HOUR)
    assert [(alert.kind, alert.order_key) for alert in found.alerts] == [("capture_error", "1:2:a:b")]


def test_a_capture_error_is_raised_on_the_order_once_that_is_known_and_closes_with_it() -> None:
    first = advance(INVOICE, None, [capture("Error")])
    assert first.after is not None
    opened = review_change(INVOICE, first, Recorded(), AlertPolicy.of(), START)
    assert [alert.order_key for alert in opened.alerts] == [None]
    answer = told(InvoiceLookedUp(number=1, order_key="1:2:1001"), SECOND)
    second = advance(INVOICE, first.stored, [answer])
    assert second.after is not None
    known = review_change(INVOICE, second, opened.recorded, AlertPolicy.of(), START + SECOND)
    assert [(alert.id, alert.state, alert.order_key) for alert in known.alerts] == [
        (opened.alerts[0].id, "open", "1:2:1001")
    ]
    third = advance(INVOICE, second.stored, [capture("Captured", HOUR)])
    assert third.after is not None
    closed = review_change(INVOICE, third, known.recorded, AlertPolicy.of(), START + HOUR)
    assert [(alert.state, alert.order_key) for alert in closed.alerts] == [("closed", "1:2:1001")]


def test_an_older_answer_is_stale_and_the_same_one_again_changes_nothing() -> None:
    state = fold(KEY, None, [received(0), told(order_said(2))]).state
    assert fold(KEY, state, [told(order_said(1), HOUR)]).outcomes == (Outcome.STALE,)
    again = advance(KEY, encode(state), [told(order_said(2)), told(order_said(1))])
    assert again == Advance((Outcome.APPLIED, Outcome.STALE))


def test_outcomes_stand_in_the_order_of_what_arrived() -> None:
    arrivals = [told(order_said(1)), received(0), told(order_said(2)), received(SECOND)]
    stale, applied, duplicate = Outcome.STALE, Outcome.APPLIED, Outcome.DUPLICATE
    assert fold(KEY, None, arrivals).outcomes == (stale, applied, applied, duplicate)


@pytest.mark.parametrize(
    ("key", "name", "body"),
    [
        (KEY, "OrderLookedUp", b"{"),
        (KEY, "OrderLookedUp", b'{"type":"OrderLookedUp","number":1}'),
        (KEY, "ProductLookedUp", encode_answer(ProductLookedUp(number=1, name="x"))),
        (PRODUCT, "ProductLookedUp", b'{"type":"ProductLookedUp","number":0,"name":null}'),
        (INVOICE, "InvoiceLookedUp", b'{"type":"InvoiceLookedUp","number":1,"order_key":"nonsense"}'),
        (PRODUCT, "ProductLookedUp", b'{"type":"ProductLookedUp","number":1,"name":"%s"}' % (b"x" * MAX_ANSWER_BYTES)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_answer_that_cannot_be_read_is_refused_by_name_and_shows_nothing_of_its_text(
    key: Key, name: str, body: bytes
) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        fold(key, None, [Arrival(name, body, "a", START)])
    assert "nonsense" not in refused.value.problem


def test_answers_are_keyed_by_what_they_are_about_although_keys_may_be_the_same_text() -> None:
    assert [key_of(name, "1:6") for name in ("ProductLookedUp", "InvoiceLookedUp")] == [
        ProductKey(1, "6"),
        InvoiceKey(1, 6),
    ]
    assert key_of("OrderLookedUp", "1:2:1001") == KEY


def test_of_an_order_with_very_many_lines_the_first_are_kept_and_all_are_summed() -> None:
    line = LINES[1]._replace(quantity=Decimal(1), amount=Decimal("0.01"))
    said = order_said(lines=tuple(line._replace(line_no=Decimal(n)) for n in range(1000)))
    assert (len(said.lines), said.lines_omitted, said.totals.excluding_vat) == (MAX_LINES, 800, "10.00")
    assert said.lines[-1].line_no == "199"


def test_the_largest_answer_fits_its_limit_and_the_record_fits_kafka() -> None:
    line = LINES[1]._replace(product_name="\x01" * 1000, part_no="\x01" * 50)
    said = order_said(lines=tuple(line._replace(line_no=Decimal(n)) for n in range(300)))
    number = 2**62
    body = encode_answer(order_looked_up(5, "SEK", None, [line] * 300, number=number))
    assert len(encode_answer(said)) <= MAX_ANSWER_BYTES
    assert len(body) <= MAX_ANSWER_BYTES
    assert said.lines_omitted + len(said.lines) == 300
    assert len(said.lines) > 10


@pytest.mark.parametrize(
    "line",
    [LINES[0]._replace(amount=Decimal(10) ** 25), LINES[0]._replace(part_no=""), LINES[0]._replace(part_no="x" * 256)],
)
def test_an_order_beyond_a_limit_makes_no_answer(line: Line) -> None:
    with pytest.raises(ValueError, match=r"more than|characters"):
        order_said(lines=(line,))


def test_a_change_of_a_product_keeps_its_name() -> None:
    view = view_of(PRODUCT, price(0), told(ProductLookedUp(number=1, name="A chair")), entity("SkuChangedNotification"))
    assert view.name == "A chair"
