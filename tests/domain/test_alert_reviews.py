"""Reviews: alerts open once, close once and say what closed them; time has its turn without an event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from pipeline.domain import (
    DEFAULT_ALERTS,
    Advance,
    AlertPolicy,
    AlertState,
    Arrival,
    ClosedBy,
    CorruptState,
    Key,
    Recorded,
    active,
    advance,
    decode_recorded,
    encode_alert,
    encode_recorded,
    limits,
    review_change,
    review_due,
)
from pipeline.domain.alerts import Review
from pipeline.domain.alerts.review import NOTHING
from tests.domain.events import HOUR, KEY, START, payment, received, status
from tests.domain.groups import JOB, PRODUCT, Sequence, cost, group_sequences, job, price, stock

DAY = 24 * HOUR


class Thing:
    """One thing with its alerts, as a worker keeps them."""

    def __init__(self, key: Key, policy: AlertPolicy = DEFAULT_ALERTS) -> None:
        self.key = key
        self.policy = policy
        self.stored: bytes | None = None
        self.recorded = NOTHING
        self.published: dict[str, Any] = {}

    def hear(self, *events: Arrival, now: int = 0) -> Review | None:
        found: Advance = advance(self.key, self.stored, events)
        if found.after is None:
            return None
        done = review_change(self.key, found, self.recorded, self.policy, max(START + now, 0))
        self.stored = found.stored
        return self._keep(done)

    def look(self, now: int) -> Review:
        """The time of the thing has come."""
        assert self.stored is not None
        return self._keep(review_due(self.key, self.stored, self.recorded, self.policy, START + now))

    def _keep(self, done: Review) -> Review:
        self.withheld = done.withheld
        self.recorded = decode_recorded(encode_recorded(done.recorded))
        assert self.recorded == done.recorded
        self.published.update({alert.id: alert for alert in done.alerts})
        return done

    @property
    def open(self) -> list[str]:
        return sorted(alert.kind for alert in self.published.values() if alert.state is AlertState.OPEN)


def test_an_alert_opens_once_and_its_event_closes_it_by_name() -> None:
    job_ = Thing(JOB)
    failed = job(3)
    opened = job_.hear(failed)
    assert opened is not None
    (alert,) = opened.alerts
    assert (alert.kind, alert.state, alert.subject, alert.subject_key) == ("job_failed", "open", "job", "1:5")
    assert (alert.opened_at, alert.opened_by) == ("2026-01-01T00:00:00.000000Z", (failed.event_id,))
    assert job_.hear(job(3, HOUR)) is not None
    again = job_.hear(succeeded := job(2, 2 * HOUR))
    assert again is not None
    (closed,) = again.alerts
    assert (closed.id, closed.state, closed.opened_at) == (alert.id, "closed", alert.opened_at)
    assert closed.closed_at == "2026-01-01T02:00:00.000000Z"
    assert closed.closed_by is not None
    assert (closed.closed_by.cause, closed.closed_by.event_type) == (ClosedBy.EVENT, "JobCompletedEvent")
    assert closed.closed_by.event_id == succeeded.event_id
    assert job_.recorded.open == ()


def test_of_a_batch_the_event_that_closed_it_is_named() -> None:
    product = Thing(PRODUCT)
    product.hear(cost(0), price(0, PriceSaleValue=1))
    done = product.hear(stock(HOUR, OnHandValue=9), closer := price(HOUR), price(HOUR, PricelistId=3))
    assert done is not None
    (closed,) = done.alerts
    assert closed.closed_by is not None
    assert closed.closed_by.event_id == closer.event_id


def test_an_open_alert_whose_details_change_is_said_again_and_keeps_its_opening() -> None:
    product = Thing(PRODUCT)
    product.hear(cost(0), price(0, PriceSaleValue=50))
    done = product.hear(price(HOUR, PriceSaleValue=40))
    assert done is not None
    (alert,) = done.alerts
    assert (alert.state, alert.details["price"], alert.opened_at) == ("open", "40.00", "2026-01-01T00:00:00.000000Z")
    assert product.hear(price(2 * HOUR, PricelistId=5)) is not None
    assert product.open == ["below_cost"]


def test_an_alert_that_opens_again_has_the_same_id_and_a_new_opening() -> None:
    product = Thing(PRODUCT)
    product.hear(stock(0))
    product.hear(stock(HOUR, OnHandValue=9))
    product.hear(stock(2 * HOUR))
    assert len(product.published) == 1
    assert product.open == ["below_minimum_stock"]
    assert product.recorded.open[0].opened_at == "2026-01-01T02:00:00.000000Z"


def test_time_opens_an_alert_with_no_further_event_and_an_event_closes_it() -> None:
    order = Thing(KEY)
    order.hear(received(0), payment(HOUR), now=HOUR)
    assert order.open == []
    assert order.recorded.due == START + 25 * HOUR
    assert order.look(25 * HOUR).alerts[0].opened_at == "2026-01-02T01:00:00.000000Z"
    assert order.open == ["paid_not_confirmed"]
    assert order.recorded.due == START + HOUR + 7 * DAY  # stuck
    order.hear(confirmed := status("Confirmed", 30 * HOUR), now=30 * HOUR)
    assert order.open == []
    (closed,) = order.published.values()
    assert closed.closed_by.event_id == confirmed.event_id


def test_time_closes_what_no_event_ends() -> None:
    order = Thing(KEY)
    order.hear(payment(0), payment(0, PaymentCode="P2"), status("Confirmed"), status("Delivered"))
    assert order.open == ["paid_twice"]
    assert order.recorded.due == START + 30 * DAY
    order.look(30 * DAY)
    assert order.open == []
    (closed,) = order.published.values()
    assert (closed.closed_by.cause, closed.closed_at) == (ClosedBy.TIME, "2026-01-31T00:00:00.000000Z")
    assert encode_recorded(order.recorded) is None


def test_what_a_new_policy_no_longer_calls_an_alert_is_closed_by_it() -> None:
    order = Thing(KEY, AlertPolicy.of(after={"stuck": 60}))
    order.hear(received(0))
    order.look(HOUR)
    assert order.open == ["stuck"]
    order.policy = DEFAULT_ALERTS
    order.look(2 * HOUR)
    (closed,) = order.published.values()
    assert (closed.closed_by.cause, closed.closed_at) == (ClosedBy.POLICY, "2026-01-01T02:00:00.000000Z")


def test_a_later_time_leaves_the_index_alone_and_an_earlier_one_moves_it() -> None:
    order = Thing(KEY)
    order.hear(received(0))
    stuck = START + 7 * DAY
    assert order.recorded.due == stuck
    order.hear(status("Confirmed", HOUR), now=HOUR)
    assert order.recorded.due == stuck, "news put the time off, and the entry may be too early"
    order.look(7 * DAY)
    assert (order.open, order.recorded.due) == ([], stuck + HOUR)
    early = Thing(KEY)
    early.hear(received(0))
    early.hear(status("Delivered", HOUR), now=HOUR)
    assert early.recorded.due == START + 2 * HOUR


def test_an_event_from_a_clock_that_is_ahead_counts_as_now() -> None:
    job_ = Thing(JOB)
    job_.hear(job(3, HOUR), now=0)
    assert job_.open == ["job_failed"]


def test_no_more_alerts_are_open_than_the_limit_and_the_others_wait() -> None:
    product = Thing(PRODUCT)
    product.hear(cost(0), *[price(0, PricelistId=n, PriceSaleValue=1) for n in range(100)])
    assert len(product.open) == limits.MAX_ALERTS
    assert product.withheld == 100 - limits.MAX_ALERTS, "the limit is not kept to in silence"
    shut = product.recorded.open[0].item
    assert shut is not None
    number = int(shut.split(",")[0].removeprefix("pricelist_id="))
    done = product.hear(price(HOUR, PricelistId=number))
    assert done is not None
    assert [alert.state for alert in done.alerts if alert.item == shut] == ["closed"]
    assert len(product.open) == limits.MAX_ALERTS
    done = product.hear(price(HOUR, PricelistId=-1, PriceSaleValue=1))
    assert done is not None
    assert done.alerts == (), "an alert that is open is not shut for a new one"


def test_an_alert_that_opens_and_closes_within_one_batch_is_published_both_ways() -> None:
    job_ = Thing(JOB)
    done = job_.hear(failed := job(3), succeeded := job(2, HOUR), now=DAY)
    assert done is not None
    opened, closed = done.alerts
    assert (opened.kind, opened.state, opened.opened_by) == ("job_failed", "open", (failed.event_id,))
    assert (closed.id, closed.state, closed.closed_at) == (opened.id, "closed", "2026-01-01T01:00:00.000000Z")
    assert closed.closed_by is not None
    assert closed.closed_by.event_id == succeeded.event_id
    assert job_.recorded.open == ()


@pytest.mark.parametrize(("hours", "alerts"), [(1, []), (30, ["open", "closed"])])
def test_events_that_are_read_late_make_no_alert_of_what_was_done_in_time(hours: int, alerts: list[str]) -> None:
    order = Thing(KEY)
    done = order.hear(received(0), payment(0), status("Confirmed", hours * HOUR), now=60 * HOUR)
    assert done is not None
    assert [alert.state for alert in done.alerts if alert.kind == "paid_not_confirmed"] == alerts


@given(group_sequences())
def test_every_alert_that_opened_is_published_however_the_events_are_cut_into_batches(said: Sequence) -> None:
    key, events = said
    now = max(event.received_at for event in events) - START
    one_by_one, at_once = Thing(key), Thing(key)
    moment, opened = 0, set()
    for event in events:
        moment = max(moment, event.received_at - START)
        done = one_by_one.hear(event, now=moment)
        opened |= {alert.id for alert in done.alerts} if done else set()
    at_once.hear(*events, now=now)
    assert opened <= set(at_once.published)
    assert at_once.open == one_by_one.open


@given(group_sequences())
def test_what_is_published_as_open_is_what_is_open_however_the_events_came(said: Sequence) -> None:
    key, events = said
    thing = Thing(key)
    now = 0
    for event in events:
        now = max(now, event.received_at - START)
        found = advance(key, thing.stored, [event])
        thing.hear(event, now=now)
        if found.after is not None:
            expected = sorted(one.kind for one in active(found.after, START + now, DEFAULT_ALERTS))
            assert thing.open == expected == sorted(alert.kind for alert in thing.recorded.open)


@given(group_sequences())
def test_an_event_that_is_read_again_after_a_crash_says_nothing_new(said: Sequence) -> None:
    """The crash came after alerts were written and before the state was."""
    key, events = said
    thing = Thing(key)
    for event in events:
        before = thing.stored
        thing.hear(event, now=10 * HOUR)
        after, thing.stored = thing.stored, before
        again = thing.hear(event, now=10 * HOUR)
        assert again is None or again.alerts == ()
        assert thing.stored == after


def test_the_record_is_json_with_all_its_fields() -> None:
    job_ = Thing(JOB)
    job_.hear(job(3))
    record = json.loads(encode_alert(job_.recorded.open[0]))
    assert record["client_id"] == 1
    assert (record["severity"], record["closed_at"], record["closed_by"]) == ("warning", None, None)


@pytest.mark.parametrize("data", [b"", b"{", b'{"v":2}', b'{"v":1,"more":1}', b"\xff"])
def test_bytes_that_are_no_record_of_alerts_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptState):
        decode_recorded(data)


def test_nothing_recorded_needs_no_keeping() -> None:
    assert encode_recorded(Recorded()) is None
    assert decode_recorded(None) == Recorded()
