"""The pipeline and an independent recomputation come to the same for every group, and the judge sees a difference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import KINDS, Arrival, Key, enriched
from tests.domain.events import HOUR
from tests.domain.groups import JOB, PRODUCT, Sequence, cost, group_sequences, job, price, view_of
from tests.verifier import expected_groups as judge
from tests.verifier.expected import RawRecord


def raw(events: Iterable[Arrival]) -> list[RawRecord]:
    records = []
    for event in events:
        assert isinstance(event.body, bytes)
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.received_at)
        headers = [
            ("ce_id", event.event_id.encode()),
            ("ce_type", f"io.norce.{event.event_type}".encode()),
            ("ce_time", time.isoformat().encode()),
        ]
        records.append(RawRecord("norce.events.any", 0, 0, 0, None, event.body, headers))
    return records


def published(key: Key, events: Iterable[Arrival]) -> dict[str, Any]:
    return dict(json.loads(enriched(view_of(key, *events))))


def must_be(key: Key, events: Iterable[Arrival]) -> dict[str, Any]:
    return judge.expected_groups(raw(events))[KINDS[type(key)].table, key.text]


@given(group_sequences(), st.randoms(use_true_random=False))
def test_what_is_published_is_what_an_independent_recomputation_finds(said: Sequence, random: Random) -> None:
    key, events = said
    record = published(key, random.sample(events, len(events)))
    assert judge.shown(KINDS[type(key)].table, record) == must_be(key, events)


def test_the_judge_sees_a_price_that_is_not_the_newest_and_a_margin_that_is_off() -> None:
    events = [price(0), price(HOUR, PriceSaleValue=70), cost(0)]
    record = published(PRODUCT, events)
    for field, wrong in (("price", "99.50"), ("margin", "10.01"), ("margin", None), ("quantity_break", None)):
        altered = json.loads(json.dumps(record))
        altered["sale_prices"][0][field] = wrong
        assert judge.shown("products", altered) != must_be(PRODUCT, events)
    assert judge.shown("products", record) == must_be(PRODUCT, events)


def test_the_judge_sees_a_wrong_outcome_and_a_wrong_duration() -> None:
    events = [job(5, 0), job(3, HOUR)]
    record = published(JOB, events)
    assert judge.shown("jobs", record) == must_be(JOB, events)
    assert judge.shown("jobs", {**record, "outcome": "succeeded"}) != must_be(JOB, events)
    assert judge.shown("jobs", {**record, "seconds": "3599"}) != must_be(JOB, events)
