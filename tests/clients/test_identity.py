"""Tokens from Identity: few requests, no waiting while a token is good, no storm when it is not."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.connect import ConnectClient
from connectors.norce import (
    ClientCredentials,
    Outcome,
    TokenRefused,
    TokenUnavailable,
    Transport,
    Unauthorized,
    persist,
)
from tests.clients.norce import Norce
from tests.clients.peer import Peer, Received, Reply, Reset
from tests.clients.support import PatientClock, VirtualClock, at_most, connect_settings, metrics, until


@pytest.fixture
def norce(peer: Peer) -> Norce:
    return Norce(peer)


@pytest.fixture
async def identity(peer: Peer, clock: PatientClock) -> AsyncIterator[ClientCredentials]:
    credentials = credentials_for(peer, clock)
    yield credentials
    await credentials.close()


def credentials_for(peer: Peer, clock: PatientClock, **options: Any) -> ClientCredentials:
    return ClientCredentials(
        f"{peer.url}/identity/1.0/connect/token",
        "client",
        "s3cret & more",
        "playground",
        transport=Transport(5.0),
        clock=clock,
        uniform=options.pop("uniform", at_most),
        metrics=metrics(),
        **options,
    )


async def test_credentials_go_in_the_form_and_not_in_a_header(norce: Norce, identity: ClientCredentials) -> None:
    await identity.token()
    assert norce.identity[0].method == "POST"
    assert norce.identity[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in norce.identity[0].headers
    assert norce.identity[0].form == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "s3cret & more",
        "scope": "playground",
    }


async def test_a_hundred_callers_at_once_cost_one_request(
    norce: Norce, peer: Peer, identity: ClientCredentials
) -> None:
    tokens = await asyncio.gather(*(identity.token() for _ in range(100)))
    assert {token.value for token in tokens} == {"jwt-1"}
    assert len(norce.identity) == peer.in_flight_max == 1


async def test_a_token_is_kept_for_four_fifths_of_its_life(
    norce: Norce, clock: PatientClock, identity: ClientCredentials
) -> None:
    first = await identity.token()
    clock.now = 2879.0
    assert await identity.token() is first
    assert len(norce.identity) == 1


async def test_nobody_waits_for_a_renewal_while_the_old_token_is_good(
    peer: Peer, norce: Norce, clock: PatientClock, identity: ClientCredentials
) -> None:
    first = await identity.token()
    slow = asyncio.Event()
    norce.identity_answers.append(Reply(body={"access_token": "jwt-new", "expires_in": 3600}, after=slow))
    clock.now = 2881.0
    for _ in range(10):
        assert await identity.token() is first
    while len(norce.identity) < 2:
        await asyncio.sleep(0.001)
        assert await identity.token() is first
    slow.set()
    await until(lambda: not peer.in_flight)
    await until(lambda: identity._fetching is None)
    assert (await identity.token()).value == "jwt-new"
    assert len(norce.identity) == 2


async def test_a_renewal_that_fails_is_repeated_while_the_old_token_serves(
    norce: Norce, clock: PatientClock, identity: ClientCredentials
) -> None:
    first = await identity.token()
    norce.identity_answers += [Reply(429), Reply(500)]
    for now, requests in [(2881.0, 2), (2900.0, 2), (2922.0, 3), (2923.0, 3), (2926.0, 4)]:
        clock.now = now
        await identity.token()
        await until(lambda: identity._fetching is None)
        assert len(norce.identity) == requests
    assert await identity.token() is not first


async def test_an_expired_token_is_not_handed_out(
    norce: Norce, clock: PatientClock, identity: ClientCredentials
) -> None:
    first = await identity.token()
    clock.now = 3600.0
    assert await identity.token() is not first


@pytest.mark.parametrize(
    ("answers", "waits"),
    [
        ([Reply(429)] * 6, [40, 60, 100, 180, 340, 340]),  # 20 s doubled up to 320, with jitter of up to 20 on top
        ([Reply(429, headers={"retry-after": "7"})] * 2, [27, 27]),
        ([Reply(500), Reset(), Reply(503), Reply(302)], [2, 3, 5, 9]),
        ([Reply(503, headers={"retry-after": "30"})], [31]),
    ],
    ids=["429", "429 with Retry-After", "failures", "503 with Retry-After"],
)
async def test_while_identity_fails_it_is_left_alone(
    norce: Norce, clock: PatientClock, identity: ClientCredentials, answers: list[Any], waits: list[float]
) -> None:
    norce.identity_answers += answers
    for number, wait in enumerate(waits, 1):
        for _ in range(2):  # the second is not asked for
            with pytest.raises(TokenUnavailable) as caught:
                await identity.token()
            assert caught.value.retry_after == wait
            assert caught.value.outcome is Outcome.RETRY
            assert len(norce.identity) == number
        await caught.value.turn()
    assert (await identity.token()).value.startswith("jwt")


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_wrong_credentials_stop_the_sink_and_are_not_tried_all_the_time(
    norce: Norce, clock: PatientClock, identity: ClientCredentials, status: int
) -> None:
    norce.identity_answers.append(Reply(status, {"error": "invalid_client"}))
    for _ in range(20):
        with pytest.raises(TokenRefused) as caught:
            await identity.token()
        assert caught.value.outcome is Outcome.STOP
        assert caught.value.attempt is not None
        assert "invalid_client" in caught.value.attempt.answer
    assert len(norce.identity) == 1
    clock.now += 60
    await identity.token()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"{}", b'{"access_token": null}', b'{"access_token": ""}', b'{"access_token": 1}'],
)
async def test_an_answer_without_a_token_is_a_failure(norce: Norce, identity: ClientCredentials, body: bytes) -> None:
    norce.identity_answers.append(Reply(200, body))
    with pytest.raises(TokenUnavailable) as caught:
        await identity.token()
    assert caught.value.reason == "Identity's answer is no token"


@pytest.mark.parametrize("lifetime", [None, "soon", "inf", "nan", 0, -5, [], {}])
async def test_a_token_without_a_sensible_lifetime_is_kept_for_a_few_minutes(
    norce: Norce, clock: PatientClock, identity: ClientCredentials, lifetime: Any
) -> None:
    norce.lifetime = lifetime
    first = await identity.token()
    clock.now = 239.0
    assert await identity.token() is first
    clock.now = 301.0
    assert await identity.token() is not first


async def test_a_lifetime_in_text_is_read(norce: Norce, clock: PatientClock, identity: ClientCredentials) -> None:
    norce.lifetime = "1000"
    first = await identity.token()
    clock.now = 799.0
    assert await identity.token() is first
    clock.now = 1001.0
    assert await identity.token() is not first


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others(
    norce: Norce, identity: ClientCredentials
) -> None:
    slow = asyncio.Event()
    norce.identity_answers.append(Reply(body={"access_token": "jwt", "expires_in": 3600}, after=slow))
    callers = [asyncio.create_task(identity.token()) for _ in range(3)]
    await until(lambda: norce.identity)
    callers[0].cancel()
    slow.set()
    assert {token.value for token in await asyncio.gather(*callers[1:])} == {"jwt"}
    assert len(norce.identity) == 1


async def test_each_of_many_callers_gets_an_error_of_its_own(norce: Norce, identity: ClientCredentials) -> None:
    norce.identity_answers.append(Reply(500))
    errors = await asyncio.gather(*(identity.token() for _ in range(5)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 5
    assert all(isinstance(error, TokenUnavailable) for error in errors)


async def test_the_first_request_can_be_put_off_at_random(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    credentials = credentials_for(peer, clock, start_jitter=30.0, uniform=random.Random(1).uniform)
    await credentials.token()
    assert clock.slept == [random.Random(1).uniform(0, 30.0)]
    await credentials.close()


async def test_closing_ends_a_request_that_is_under_way(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    credentials = credentials_for(peer, clock)
    norce.identity_answers.append(Reply(after=asyncio.Event()))
    waiting = asyncio.create_task(credentials.token())
    await until(lambda: norce.identity)
    await credentials.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def sender(peer: Peer, clock: Any, **changes: Any) -> ConnectClient:
    settings = connect_settings(peer.url, concurrency=100, **changes)
    return ConnectClient(settings, clock=clock, uniform=at_most, metrics=metrics())


async def test_twenty_401s_at_once_renew_the_token_once(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    async with sender(peer, clock) as client:
        await client.send_order_status("1", None, [], "Confirmed", application_id=1)
        norce.valid.clear()
        clock.now += 100
        await asyncio.gather(
            *(client.send_order_status(str(n), None, [], "Confirmed", application_id=1) for n in range(20))
        )
    assert len(norce.identity) == 2
    assert len(norce.connect) == 21
    assert {received.headers["authorization"] for received in norce.connect[1:]} == {"Bearer jwt-2"}


async def test_a_new_token_that_is_refused_too_costs_no_further_request(
    peer: Peer, norce: Norce, clock: PatientClock
) -> None:
    norce.issue = lambda: "not-valid"  # type: ignore[method-assign]  # Identity and Connect disagree
    async with sender(peer, clock) as client:
        for _ in range(10):
            with pytest.raises(Unauthorized) as caught:
                await client.send_order_status("1", None, [], "Confirmed", application_id=1)
            assert caught.value.outcome is Outcome.STOP
        assert len(norce.identity) == 2
        clock.now += 20
        with pytest.raises(Unauthorized):
            await client.send_order_status("1", None, [], "Confirmed", application_id=1)
        assert len(norce.identity) == 3


async def test_no_update_is_lost_while_identity_is_away(peer: Peer, norce: Norce) -> None:
    async with VirtualClock(peer) as clock, sender(peer, clock) as client:
        norce.identity_answers += [Reply(429), Reset(), Reply(503), *[Reply(429)] * 8]

        async def update(number: int) -> None:
            await persist(
                lambda patience: client.send_order_status(
                    str(number), None, [], "Confirmed", application_id=1, patience=patience
                ),
                120.0,
                clock=clock,
            )

        await asyncio.gather(*(update(number) for number in range(20)))
        assert clock.now > 1000
    assert sorted(received.json["ClientOrderRef"] for received in norce.connect) == list(range(20))
    assert len(norce.identity) == 12
    assert peer.in_flight_max <= 20


async def test_thirty_workers_behind_one_address_get_through_norces_limit(peer: Peer, norce: Norce) -> None:
    """Norce docs: 3 token requests a minute per address, burst of 20; beyond it 429."""
    async with VirtualClock(peer) as clock:
        level, at = 20.0, 0.0
        issue = norce._answer

        def limited(received: Received) -> Any:
            nonlocal level, at
            if received.path.endswith("/token"):
                level, at = min(20.0, level + (clock.now - at) / 20), clock.now
                if level < 1:
                    norce.identity.append(received)
                    return Reply(429)
                level -= 1
            return issue(received)

        peer.handler = limited
        seed = random.Random(7)
        clients = [
            ConnectClient(connect_settings(peer.url), clock=clock, uniform=seed.uniform, metrics=metrics())
            for _ in range(30)
        ]

        async def update(client: ConnectClient) -> None:
            await persist(
                lambda patience: client.send_order_status(
                    "1", None, [], "Confirmed", application_id=1, patience=patience
                ),
                120.0,
                clock=clock,
            )

        await asyncio.gather(*(update(client) for client in clients))
        for client in clients:
            await client.close()
    assert len(norce.connect) == 30
    assert len(norce.identity) < 100
