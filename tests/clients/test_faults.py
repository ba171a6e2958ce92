"""Sockets that misbehave: no fault outlasts its time limit, and none breaks the calls after it."""

import asyncio
import gzip
import socket
import time

import pytest

from connectors.norce import NotConfigured, Rejected, Request, StaticTokens, Unavailable
from connectors.norce.transport import ANSWER_MAX_BYTES, Loss, Lost, Transport
from tests.clients.peer import Behaviour, Hang, Peer, Reply, Reset, Trickle
from tests.clients.support import PatientClock, api_for, body_of, until

SLOW: list[Behaviour] = [Hang(), Trickle(), Trickle(in_headers=True)]
BROKEN: list[Behaviour] = [Reset(), Reset(in_body=True)]


@pytest.mark.parametrize("behaviour", SLOW, ids=repr)
async def test_the_time_limit_is_for_the_whole_answer(peer: Peer, behaviour: Behaviour) -> None:
    peer.handler = lambda _: behaviour
    async with Transport(5.0) as transport:
        started = time.monotonic()
        with pytest.raises(Lost) as caught:
            await transport.exchange(Request("Test", "GET", peer.url), within=0.2)
        assert time.monotonic() - started < 2  # ten times the limit: only that there is one
    assert caught.value.loss is Loss.TIMEOUT


@pytest.mark.parametrize("behaviour", SLOW + BROKEN, ids=repr)
async def test_a_call_survives_a_fault(peer: Peer, behaviour: Behaviour) -> None:
    peer.script(behaviour, behaviour, Reply(200, b"fine"))
    async with api_for(peer, attempt_timeout=0.1) as caller:
        assert await caller.call() == b"fine"


@pytest.mark.parametrize("behaviour", SLOW + BROKEN, ids=repr)
async def test_a_fault_that_stays_is_named(peer: Peer, behaviour: Behaviour) -> None:
    peer.handler = lambda _: behaviour
    async with api_for(peer, attempt_timeout=0.1, deadline=10.0) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.call()
    assert caught.value.attempt is not None
    assert caught.value.attempt.status is None
    assert ("no complete answer" if behaviour in SLOW else "the connection broke") in caught.value.attempt.reason


async def test_calls_given_up_leave_no_connection_taken(peer: Peer) -> None:
    peer.handler = lambda received: Reply(200, b"fine") if received.path == "/fine" else Hang()
    async with Transport(5.0) as transport:
        gone = [transport.exchange(Request("Test", "GET", peer.url), within=0.02) for _ in range(50)]
        assert all(isinstance(one, Lost) for one in await asyncio.gather(*gone, return_exceptions=True))
        answer = await transport.exchange(Request("Test", "GET", f"{peer.url}/fine"), within=5.0)
    assert answer.body == b"fine"


async def test_a_cancelled_call_leaves_no_connection_taken(peer: Peer) -> None:
    peer.script(Hang(), Hang())
    async with Transport(5.0) as transport:
        for _ in range(2):
            task = asyncio.create_task(transport.exchange(Request("Test", "GET", peer.url), within=5.0))
            await until(lambda: peer.in_flight)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not peer.in_flight)
        assert (await transport.exchange(Request("Test", "GET", peer.url), within=5.0)).status == 200


async def test_nobody_listening_is_named(clock: PatientClock, peer: Peer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with api_for(peer, clock, deadline=10.0) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.api.call(Request("Test", "GET", url), body_of)
    assert caught.value.attempt is not None
    assert caught.value.attempt.reason.startswith("no connection")


async def test_an_answer_is_read_up_to_its_limit(peer: Peer) -> None:
    peer.script(Reply(200, b"a" * (ANSWER_MAX_BYTES + 100_000)), Reply(200, b"fine"))
    async with Transport(5.0) as transport:
        answer = await transport.exchange(Request("Test", "GET", peer.url), within=10.0)
        assert (len(answer.body), answer.cut) == (ANSWER_MAX_BYTES, True)
        with pytest.raises(ValueError, match="longer than"):
            answer.json()
        assert (await transport.exchange(Request("Test", "GET", peer.url), within=10.0)).body == b"fine"


async def test_a_packed_answer_is_not_unpacked(peer: Peer) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    peer.script(Reply(200, bomb, {"content-encoding": "gzip"}))
    async with Transport(5.0) as transport:
        answer = await transport.exchange(Request("Test", "GET", peer.url), within=10.0)
    assert answer.body == bomb
    assert peer.received[0].headers["accept-encoding"] == "identity"


async def test_the_token_does_not_follow_a_redirect(peer: Peer) -> None:
    async with Peer() as stranger:
        peer.script(Reply(307, headers={"location": stranger.url}))
        async with api_for(peer) as caller:
            with pytest.raises(Rejected):
                await caller.call()
        assert stranger.received == []


@pytest.mark.parametrize("token", ["line\nbreak", "sn\N{SNOWMAN}w"])
async def test_a_token_that_cannot_be_sent_is_a_setting_to_correct(peer: Peer, token: str) -> None:
    async with api_for(peer, credentials=StaticTokens(token, None, PatientClock())) as caller:
        with pytest.raises(NotConfigured) as caught:
            await caller.call()
    assert token not in str(caught.value.describe())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_proxy_is_not_asked_for_this_machine(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with Transport(5.0) as transport:
        assert (await transport.exchange(Request("Test", "GET", peer.url), within=5.0)).status == 200
