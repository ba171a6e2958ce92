"""How long the oldest refused delivery has before Norce gives up on it."""

from __future__ import annotations

import re
from itertools import accumulate
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors.webhook.outage import LATENESS, Budget, Outage
from pipeline.events.deliveries import RETRY_DELAYS
from tests.webhook.support import Connector, order

ATTEMPTS = (0, *accumulate(RETRY_DELAYS))
HORIZON = 79_440.0
RULES = Path(__file__).parents[2] / "k8s/prometheus/webhook.rules.yml"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage(RETRY_DELAYS, clock)


def test_the_whole_schedule_is_left_while_nothing_is_refused(outage: Outage) -> None:
    assert outage.budget() == Budget(None, HORIZON)
    assert not outage.given_up


def test_a_refused_delivery_has_what_is_left_of_the_schedule(clock: Clock, outage: Outage) -> None:
    outage.refused()
    clock.now += 4
    assert outage.budget().age == 4
    assert outage.budget().left == HORIZON - 4


def test_the_budget_is_whole_again_once_every_refused_delivery_must_have_come_back(
    clock: Clock, outage: Outage
) -> None:
    outage.refused()
    clock.now += RETRY_DELAYS[0] + LATENESS - 1
    assert outage.budget().age is not None
    clock.now += 2
    assert outage.budget().age is None
    assert outage.budget().left == HORIZON


def test_after_a_long_outage_deliveries_stay_open_until_norces_next_late_attempt(clock: Clock, outage: Outage) -> None:
    for _ in range(4 * 60 + 1):  # four hours: Norce's next attempt for the oldest is three hours after the one at 3.8 h
        outage.refused()
        clock.now += 60
    clock.now += 1800
    age = outage.budget().age
    assert age is not None
    assert 4 * 3600 < age < 5 * 3600
    clock.now += 3 * 3600
    assert outage.budget().age is None


def test_a_delivery_that_norce_has_given_up_has_no_budget_and_is_told(clock: Clock, outage: Outage) -> None:
    outage.refused()
    while clock.now < 1_000 + HORIZON:
        clock.now += 60
        outage.refused()
    assert outage.given_up
    clock.now += 24 * 3600
    assert outage.budget().age is None
    assert outage.given_up, "what is gone does not come back by waiting"


windows = st.lists(st.tuples(st.integers(1, 30_000), st.integers(1, 30_000)), min_size=1, max_size=4)


@given(windows, st.lists(st.integers(0, 120_000), min_size=1, max_size=30), st.integers(0, 130_000))
def test_the_age_is_never_below_that_of_the_oldest_delivery_that_norce_still_repeats(
    gaps: list[tuple[int, int]], first_attempts: list[int], at: int
) -> None:
    clock, refusing, begin = Clock(), [], 0
    for pause, length in gaps:
        refusing.append((begin + pause, begin + pause + length))
        begin += pause + length
    attempts = sorted((first + offset, first) for first in set(first_attempts) for offset in ATTEMPTS)
    outage, open_ones = Outage(RETRY_DELAYS, clock), set(first_attempts)
    waiting: set[int] = set()
    for moment, first in attempts:
        if moment > at or first not in open_ones:
            continue
        clock.now = moment
        if any(start <= moment < end for start, end in refusing):
            outage.refused()
            waiting.add(first)
            if moment == first + ATTEMPTS[-1]:
                waiting.discard(first)  # given up
        else:
            open_ones.discard(first)
            waiting.discard(first)
    clock.now = at
    age = outage.budget().age
    if waiting:
        assert (age or 0) >= at - min(waiting)
    else:
        assert (age or 0) <= at


async def test_a_refusal_of_the_connector_shows_in_its_metrics(tmp_path: Path) -> None:
    with Connector("127.0.0.1:9", tmp_path) as connector:
        assert connector.metric("norce_webhook_outage_budget_seconds") == HORIZON
        assert connector.metric("norce_webhook_oldest_refused_seconds") == 0
        assert (await connector.post(order("1"), headers={"x-norce-secret": "wrong"})).status_code == 401
        assert connector.metric("norce_webhook_oldest_refused_seconds") == 0, "anybody can be refused for a secret"
        assert (await connector.post(order("1"))).status_code == 503
        assert connector.metric("norce_webhook_oldest_refused_seconds") > 0
        assert connector.metric("norce_webhook_outage_budget_seconds") < HORIZON


def test_the_alert_rules_name_metrics_that_the_connector_has(tmp_path: Path) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in rules} >= {"NorceWebhookOutageBudgetShrinks", "NorceEventsGivenUp"}
    with Connector("127.0.0.1:9", tmp_path) as connector:
        exposed = connector.get("/metrics").text
    for rule in rules:
        name = re.search(r"norce_webhook_\w+", rule["expr"])[0]  # type: ignore[index]
        assert f"# TYPE {name} gauge" in exposed
