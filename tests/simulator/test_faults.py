"""What can go wrong with a call, by hand and by chance, and what the simulator notices of its callers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from connectors.simulator import Simulator, VirtualClock
from tests.simulator.support import Client, references, services, settings, until


def scripted(**answer: Any) -> dict[str, Any]:
    return {"script": [{"service": "connect", **answer}]}


async def test_scripted_answers_come_first_and_then_end() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.turn(**scripted(kind="answer", status=503, retry_after=1, times=5))
        answers = [await client.send_status(reference) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [503] * 5 + [200]
        assert answers[0].headers["Retry-After"] == "1"
        assert len(client.order(reference).updates) == 1


async def test_a_scripted_answer_waits_for_the_call_it_is_meant_for() -> None:
    async with services(orders=10) as (norce, client):
        first, second = references(norce)[:2]
        await client.turn(**scripted(kind="answer", status=400, body="no", operation="SendOrderStatus", order=second))
        assert (await client.send_status(first)).status_code == 200
        assert (await client.connect("CancelOrder", {"ClientOrderRef": int(second)})).status_code == 200
        answer = await client.send_status(second)
        assert (answer.status_code, answer.text) == (400, "no")


async def test_a_lost_answer_takes_effect_once_per_call() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="lost", times=2))
        infos = [{"Code": "PAID", "Value": "1"}]
        for calls in (1, 2):
            with pytest.raises(httpx.TransportError):
                await client.send_status(reference, "Invoiced", Infos=infos)
            assert len(client.order(reference).updates) == calls
        await client.send_status(reference, "Invoiced", Infos=infos)
        assert list(client.order(reference).applied.values()) == [3]
        assert client.order(reference).infos == {"PAID": "1"}
        assert norce.state()["calls"]["connect"] == {"lost": 2, "200": 1}


async def test_a_dropped_call_has_no_effect() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="drop"))
        with pytest.raises(httpx.TransportError):
            await client.send_status(reference)
        assert client.order(reference).updates == []


async def test_a_cut_answer_breaks_in_the_middle() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.turn(script=[{"service": "checkout", "kind": "cut"}])
        with pytest.raises(httpx.RemoteProtocolError):
            await client.checkout("GET", "", reference)


async def test_a_hanging_call_ends_when_the_caller_gives_up_and_has_no_effect() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="hang"))
        async with httpx.AsyncClient(timeout=0.1) as impatient:
            with pytest.raises(httpx.ReadTimeout):
                await Client.send_status(_with(client, impatient), reference)
        await until(lambda: norce.state()["calls_in_flight"] == 0)
        assert client.order(reference).updates == []


async def test_a_trickled_answer_comes_a_byte_a_second() -> None:
    clock = VirtualClock()
    async with Simulator(settings(), clock=clock) as norce, httpx.AsyncClient() as http:
        client, reference = Client(norce, http), references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="trickle"))
        answer = await client.send_status(reference)
        assert answer.status_code == 200
        assert clock.now() == len(answer.content) == 60
        assert len(client.order(reference).updates) == 1


async def test_a_trickled_answer_ends_when_the_caller_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="trickle"))
        async with httpx.AsyncClient(timeout=0.1) as impatient:
            with pytest.raises(httpx.ReadTimeout):
                await _with(client, impatient).send_status(reference)
        await until(lambda: norce.state()["calls_in_flight"] == 0)
        assert (await client.send_status(reference)).status_code == 200
        assert norce.state()["violations"] == {}
    assert caplog.records == []


async def test_stopping_lets_hanging_callers_go() -> None:
    async with httpx.AsyncClient(timeout=5) as http:
        async with Simulator(settings()) as norce:
            client, reference = Client(norce, http), references(norce)[0]
            await client.bearer()
            await client.turn(**scripted(kind="hang"))
            hanging = asyncio.create_task(client.send_status(reference))
            await until(lambda: norce.state()["calls_in_flight"] == 1)
        with pytest.raises(httpx.TransportError):
            await hanging


async def test_a_share_of_calls_fails_and_has_no_effect() -> None:
    async with services(failures=0.5) as (norce, client):
        reference = references(norce)[0]
        answers = [await client.send_status(reference) for _ in range(200)]
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 500, 503, 429}
        assert 60 < statuses[200] < 140
        assert len(client.order(reference).updates) == statuses[200]
        assert all("Retry-After" in each.headers for each in answers if each.status_code in (429, 503))


async def test_failures_spare_identity() -> None:
    async with services(failures=1.0) as (_, client):
        assert (await client.ask_for_token()).status_code == 200


async def test_a_share_of_answers_is_lost() -> None:
    async with services(lost_answers=0.5) as (norce, client):
        reference = references(norce)[0]
        seen = 0
        for _ in range(60):
            try:
                seen += (await client.send_status(reference)).status_code == 200
            except httpx.TransportError:
                continue
        assert 10 < seen < 50
        assert len(client.order(reference).updates) == 60


async def test_latency_is_around_its_mean() -> None:
    clock = VirtualClock()
    async with Simulator(settings(latency=2.0), clock=clock) as norce, httpx.AsyncClient() as http:
        client, reference = Client(norce, http), references(norce)[0]
        await client.bearer()
        before = clock.now()
        for _ in range(100):
            await client.send_status(reference)
        assert 1.0 < (clock.now() - before) / 100 < 4.0


async def test_two_calls_for_one_order_at_the_same_time_are_noticed() -> None:
    async with services() as (norce, client), in_flight(client, references(norce)[0]) as reference:
        assert (await client.send_status(reference)).status_code == 200
        assert norce.state()["violations"] == {"overlapping_calls": 1}
        assert norce.state()["most_in_flight"]["connect"] == 2


async def test_calls_for_different_orders_or_services_may_be_in_flight_together() -> None:
    async with services(orders=10) as (norce, client), in_flight(client, references(norce)[0]) as reference:
        path = f"/{await client.checkout_id(reference)}/attributes"
        assert (await client.send_status(references(norce)[1])).status_code == 200
        assert (await client.checkout("PATCH", path, reference, json={"a": 1})).status_code == 200
        assert norce.state()["violations"] == {}


async def test_one_call_after_the_other_is_no_overlap() -> None:
    async with services() as (norce, client):
        for _ in range(20):
            await client.send_status(references(norce)[0])
        assert norce.state()["violations"] == {}


async def test_a_call_that_its_caller_gave_up_does_not_overlap_with_the_next() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(**scripted(kind="hang"))
        async with httpx.AsyncClient(timeout=0.1) as impatient:
            again = _with(client, impatient)
            with pytest.raises(httpx.ReadTimeout):
                await again.send_status(reference)
            assert (await again.send_status(reference)).status_code == 200
        assert norce.state()["violations"] == {}


async def test_an_older_version_after_a_newer_one_is_noticed() -> None:
    async with services(orders=10) as (norce, client):
        first, second = references(norce)[:2]
        path = f"/{await client.checkout_id(first)}/attributes"
        for version in (1, 3, 3):
            await client.checkout("PATCH", path, first, json={"norcePipeline": {"version": version}})
        await client.send_status(first, Infos=[{"Code": "NP_VERSION", "Value": "2"}])
        await client.send_status(second, Infos=[{"Code": "NP_VERSION", "Value": "1"}])
        assert norce.state()["violations"] == {}

        await client.checkout("PATCH", path, first, json={"norcePipeline": {"version": 2}})
        await client.send_status(first, Infos=[{"Code": "NP_VERSION", "Value": "1"}])
        assert norce.state()["violations"] == {"stale_version": 2}
        details = [violation["detail"] for violation in norce.state()["violation_details"]]
        assert details == ["norcePipeline: version 2 after 3", "NP_VERSION: version 1 after 2"]


@asynccontextmanager
async def in_flight(client: Client, reference: str) -> AsyncIterator[str]:
    """A call to Connect about an order, unanswered as long as this lasts."""
    await client.bearer()
    await client.turn(**scripted(kind="hang"))
    calling = asyncio.create_task(client.send_status(reference))
    await until(lambda: client.norce.state()["calls_in_flight"] == 1)
    yield reference
    calling.cancel()
    await asyncio.wait([calling])


def _with(client: Client, http: httpx.AsyncClient) -> Client:
    """The same client and token over other connections."""
    other = Client(client.norce, http)
    other._token = client._token
    return other
