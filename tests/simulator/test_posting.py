"""Events on their way out: Norce's schedule to the second, and the knobs that make delivery worse."""

import asyncio
import itertools
import json
from collections import Counter

import pytest
from aiohttp import web

from connectors.simulator import Simulator, SystemClock
from connectors.simulator.deliveries import Fate
from connectors.simulator.scenario import reordered
from pipeline.events.deliveries import RETRY_DELAYS
from tests.simulator.support import SECRET, Post, answering, settings, taken, until, virtual, webhook

BODY = b'{"ClientId":1,"JobId":2,"StatusId":2}'


async def test_a_failing_event_is_posted_seventeen_times_over_22_hours_and_4_minutes_and_then_dies() -> None:
    async with virtual(answering(500), orders=0) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()

        times = [post.at for post in hook.posts]
        assert len(times) == 17
        assert times[-1] - times[0] == 79_440 == 22 * 3600 + 4 * 60
        steps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert steps == [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 18000, 21600]
        assert norce.deliveries.fates[Fate.DEAD] == 1
        assert norce.deliveries.retries == 16


async def test_many_failing_events_each_keep_the_schedule() -> None:
    async with virtual(answering(503), orders=20, rate=1.0) as (norce, hook):
        await norce.finished()

        assert norce.deliveries.fates[Fate.DEAD] == norce.scenario.size()
        for delivery in norce.deliveries.all:
            times = [at for at, _ in delivery.attempts]
            steps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
            assert steps == list(RETRY_DELAYS)
        assert len(hook.posts) == 17 * norce.scenario.size()


async def test_the_last_of_seventeen_attempts_can_still_succeed() -> None:
    async with virtual(answering(*[503] * 16, 200), orders=0) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()
        assert len(hook.posts) == 17
        assert norce.deliveries.fates[Fate.ACCEPTED] == 1
        assert {post.body for post in hook.posts} == {BODY}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_20x_ends_the_posting(status: int) -> None:
    async with virtual(answering(status), orders=0) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()
        assert len(hook.posts) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 429, 500, 503])
async def test_anything_but_20x_is_posted_again(status: int) -> None:
    async with virtual(answering(status, 200), orders=0) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()
        assert [post.at for post in hook.posts] == [0, 5]


async def test_a_redirect_is_not_followed() -> None:
    async def redirect(post: Post) -> web.Response:
        if len(hook.posts) == 1:
            return web.Response(status=307, headers={"Location": f"{hook.url}/Elsewhere"})
        return web.Response()

    async with virtual(redirect, orders=0) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()
        assert [(post.at, post.event_type) for post in hook.posts] == [
            (0, "JobCompletedEvent"),
            (5, "JobCompletedEvent"),
        ]


async def test_a_webhook_that_nobody_serves_is_tried_again_until_it_is_served() -> None:
    async with webhook() as gone:
        url = gone.url
    async with Simulator(settings(webhook_url=url, orders=0, time_scale=1000)) as norce:
        norce.post("JobCompletedEvent", BODY)
        await until(lambda: norce.deliveries.outcomes["network"] >= 2)
        assert norce.deliveries.fates[Fate.WAITING] == 1


async def test_an_answer_after_the_timeout_counts_as_none() -> None:
    slow = asyncio.Event()

    async def answer(post: Post) -> web.Response:
        if len(hook.posts) == 1:
            await slow.wait()
        return web.Response()

    async with webhook(answer) as hook:
        late = settings(webhook_url=hook.url, orders=0, time_scale=100)
        async with Simulator(late, attempt_timeout=0.1) as norce:
            norce.post("JobCompletedEvent", BODY)
            await norce.finished()
            slow.set()
            assert norce.deliveries.outcomes == {"timeout": 1, "200": 1}


async def test_the_time_scale_shortens_the_schedule_and_nothing_else() -> None:
    async with virtual(answering(500), orders=0, time_scale=3600) as (norce, hook):
        norce.post("JobCompletedEvent", BODY)
        await norce.finished()
        assert hook.posts[-1].at == pytest.approx(79_440 / 3600)
        assert len(hook.posts) == 17


async def test_every_post_carries_the_secret_and_says_json() -> None:
    async with virtual(webhook_secret_header="x-my-secret") as (norce, hook):
        await norce.finished()
        assert {post.headers["x-my-secret"] for post in hook.posts} == {SECRET}
        assert {post.headers["Content-Type"] for post in hook.posts} == {"application/json"}


async def test_the_whole_scenario_arrives_with_its_bytes() -> None:
    async with virtual(orders=30, bad=0.2) as (norce, hook):
        await norce.finished()
        scripted = [(event.event_type, event.body) for event in norce.scenario.events()]
        assert Counter((post.event_type, post.body) for post in hook.posts) == Counter(scripted)
        assert norce.state()["events"]["accepted"] == norce.state()["events"]["to_send"] == len(scripted)


async def test_first_posts_come_in_the_same_order_whatever_fails() -> None:
    async def first_posts(*statuses: int, concurrency: int) -> list[int]:
        changes = {"orders": 15, "reordering": 0.3, "seed": 11, "concurrency": concurrency}
        async with virtual(answering(*statuses), **changes) as (norce, _):
            await norce.finished()
            return [delivery.event.number for delivery in norce.deliveries.all]

    calm = await first_posts(200, concurrency=32)
    assert await first_posts(503, 200, 500, 503, 200, concurrency=2) == calm


async def test_one_seed_posts_the_same_run() -> None:
    async def posts() -> list[tuple[float, str, bytes]]:
        worse = {"reordering": 0.3, "duplicates": 0.3, "drops": 0.1, "bad": 0.1}
        async with virtual(taken, orders=15, concurrency=1, **worse) as (norce, hook):
            await norce.finished()
            return [(post.at, post.event_type, post.body) for post in hook.posts]

    first = await posts()
    assert await posts() == first
    assert len(first) > 30


async def test_a_duplicate_has_the_same_bytes_and_comes_after_the_first_was_taken() -> None:
    async with virtual(orders=20, duplicates=0.5) as (norce, hook):
        await norce.finished()
        twice = [delivery for delivery in norce.deliveries.all if delivery.taken == 2]
        assert norce.deliveries.duplicates == len(twice)
        assert 0.3 < len(twice) / len(norce.deliveries.all) < 0.7
        for delivery in twice:
            assert delivery.attempts[1][0] - delivery.attempts[0][0] == pytest.approx(RETRY_DELAYS[0])
        posted = Counter((post.event_type, post.body) for post in hook.posts)
        due: Counter[tuple[str, bytes]] = Counter()
        for delivery in norce.deliveries.all:
            due[delivery.event.event_type, delivery.event.body] += delivery.taken
        assert posted == due


async def test_reordered_events_are_posted_behind_later_ones() -> None:
    async with virtual(orders=20, reordering=0.3, seed=3) as (norce, hook):
        await norce.finished()
        expected = [event.body for event in reordered(norce.scenario.events(), 3, lambda: 0.3)]
        assert [post.body for post in hook.posts] == expected
        assert expected != [event.body for event in norce.scenario.events()]


async def test_a_dropped_event_is_never_posted_but_true() -> None:
    async with virtual(orders=20, drops=1.0) as (norce, hook):
        await norce.finished()
        assert hook.posts == []
        assert norce.state()["events"]["dropped"] == norce.scenario.size()
        assert len(norce.commerce) == 20
        assert any(order.status == "Delivered" for order in norce.commerce.orders())


async def test_the_rate_is_kept() -> None:
    async with virtual(orders=20, rate=10.0) as (norce, hook):
        await norce.finished()
        times = [post.at for post in hook.posts]
        assert times == pytest.approx([place / 10 for place in range(len(times))])


async def test_no_more_posts_are_in_flight_than_allowed() -> None:
    async def slowly(post: Post) -> web.Response:
        await asyncio.sleep(0.002)
        return web.Response()

    async with webhook(slowly) as hook:
        busy = settings(webhook_url=hook.url, orders=40, rate=1e6, concurrency=3)
        async with Simulator(busy, clock=SystemClock()) as norce:
            await norce.finished()
    assert hook.most_in_flight == 3


async def test_nothing_is_created_while_paused() -> None:
    async with virtual(orders=10) as (norce, hook):
        norce.controls.change({"paused": True})  # before the first event: entering only starts the task
        await asyncio.sleep(0.05)
        assert hook.posts == []
        assert len(norce.commerce) == 0
        norce.controls.change({"paused": False})
        await norce.finished()
        assert len(hook.posts) == norce.scenario.size()


async def test_the_truth_moves_before_the_event_is_told() -> None:
    statuses: list[str] = []

    async def look(post: Post) -> web.Response:
        body = json.loads(post.body)
        if post.event_type == "OrderConfirmedEvent":
            order = norce.commerce.find(body["ClientOrderRef"])
            assert order is not None
            statuses.append(order.status)
        return await taken(post)

    async with virtual(look, orders=20, rate=1.0, concurrency=1) as (norce, _):
        await norce.finished()
    assert statuses
    assert set(statuses) == {"Confirmed"}


async def test_a_bug_in_the_posting_is_not_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    async with webhook() as hook:
        norce = Simulator(settings(webhook_url=hook.url))
        monkeypatch.setattr(norce.commerce, "change", broken)
        with pytest.raises(ExceptionGroup) as raised:
            async with norce:
                await norce.finished()
    assert raised.group_contains(RuntimeError, match="broken")
