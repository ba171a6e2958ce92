"""Checkout's tokens: whichever works."""

import asyncio

import pytest

from connectors.norce import Outcome, StaticTokens, Token, Unauthorized
from tests.clients.peer import Handler, Peer, Received, Reply
from tests.clients.support import PatientClock, api_for


def accepting(*valid: str) -> Handler:
    def answer(received: Received) -> Reply:
        return Reply(200 if received.headers["authorization"].removeprefix("Bearer ") in valid else 401)

    return answer


def used(peer: Peer) -> list[str]:
    return [received.headers["authorization"].removeprefix("Bearer ") for received in peer.received]


@pytest.fixture
def tokens(clock: PatientClock) -> StaticTokens:
    return StaticTokens("primary", "secondary", clock)


async def test_a_rotated_token_is_replaced_by_the_other_and_that_is_kept(
    peer: Peer, clock: PatientClock, tokens: StaticTokens
) -> None:
    peer.handler = accepting("secondary")
    async with api_for(peer, clock, credentials=tokens) as caller:
        await caller.call()
        await caller.call()
    assert used(peer) == ["primary", "secondary", "secondary"]


async def test_and_back_when_the_primary_was_renewed(peer: Peer, clock: PatientClock, tokens: StaticTokens) -> None:
    async with api_for(peer, clock, credentials=tokens) as caller:
        peer.handler = accepting("secondary")
        await caller.call()
        clock.now += 60
        peer.handler = accepting("primary")
        await caller.call()
        await caller.call()
    assert used(peer) == ["primary", "secondary", "secondary", "primary", "primary"]


async def test_many_401s_at_once_switch_once(peer: Peer, clock: PatientClock, tokens: StaticTokens) -> None:
    peer.handler = accepting("secondary")
    async with api_for(peer, clock, credentials=tokens, concurrency=20) as caller:
        await asyncio.gather(*(caller.call() for _ in range(20)))
        assert (await tokens.token()).value == "secondary"
    assert used(peer).count("secondary") == 20


async def test_a_late_401_of_the_token_before_changes_nothing(clock: PatientClock, tokens: StaticTokens) -> None:
    primary = await tokens.token()
    assert tokens.renew(primary)
    clock.now = 59.0
    assert tokens.renew(primary)
    secondary = await tokens.token()
    assert secondary.value == "secondary"
    clock.now = 60.0
    assert tokens.renew(secondary)
    assert await tokens.token() is primary


async def test_refused_tokens_are_not_tried_in_turns(peer: Peer, clock: PatientClock, tokens: StaticTokens) -> None:
    peer.handler = accepting()
    async with api_for(peer, clock, credentials=tokens) as caller:
        for now, tried in [(0.0, ["primary", "secondary"]), (59.0, ["secondary"]), (120.0, ["secondary", "primary"])]:
            clock.now = now
            peer.received.clear()
            with pytest.raises(Unauthorized):
                await caller.call()
            assert used(peer) == tried


async def test_a_call_is_made_with_two_tokens_at_most(peer: Peer, clock: PatientClock) -> None:
    class Endless(StaticTokens):
        """Tokens without end, all of them wrong."""

        def renew(self, refused: Token) -> bool:
            return True

    peer.handler = accepting()
    async with api_for(peer, clock, credentials=Endless("primary", None, clock)) as caller:
        with pytest.raises(Unauthorized):
            await caller.call()
    assert len(peer.received) == 2


@pytest.mark.parametrize("secondary", ["secondary", None])
async def test_without_a_token_that_works_the_sink_stops(
    peer: Peer, clock: PatientClock, secondary: str | None
) -> None:
    peer.handler = accepting()
    async with api_for(peer, clock, credentials=StaticTokens("primary", secondary, clock)) as caller:
        with pytest.raises(Unauthorized) as caught:
            await caller.call()
    assert caught.value.outcome is Outcome.STOP
    assert used(peer) == ["primary", "secondary"][: 2 if secondary else 1]
