"""How fast and how many at once."""

import asyncio
import time

import pytest

from connectors.norce import SystemClock
from connectors.norce.breaker import Shut
from tests.clients.peer import Peer, Reply
from tests.clients.support import api_for, until


@pytest.mark.parametrize(("rate", "calls"), [(20.0, 8), (0.8, 2)])
async def test_calls_are_evenly_spaced(peer: Peer, rate: float, calls: int) -> None:
    arrivals: list[float] = []

    def arrived(_: object) -> Reply:
        arrivals.append(time.monotonic())
        return Reply()

    peer.handler = arrived
    async with api_for(peer, rate=rate, concurrency=100) as caller:
        begin = time.monotonic()
        await asyncio.gather(*(caller.call() for _ in range(calls)))
    # However late a busy machine makes a call, none may come before its turn.
    early = [number for number, at in enumerate(arrivals) if at - begin < number / rate]
    assert (len(arrivals), early) == (calls, [])


async def test_no_more_than_so_many_are_in_flight(peer: Peer) -> None:
    enough = asyncio.Event()
    peer.handler = lambda _: Reply(after=enough)
    async with api_for(peer, concurrency=3) as caller:
        calls = [asyncio.create_task(caller.call()) for _ in range(20)]
        await until(lambda: peer.in_flight == 3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert peer.in_flight == 3
        enough.set()
        await asyncio.gather(*calls)
    assert peer.in_flight_max == 3
    assert len(peer.received) == 20


async def test_a_call_that_waits_to_be_repeated_takes_nobodys_place(peer: Peer) -> None:
    class Stuck(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    peer.script(Reply(500))
    async with api_for(peer, Stuck(), concurrency=1) as caller:
        waiting = asyncio.create_task(caller.call())
        await until(lambda: peer.received)
        await caller.call()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def test_a_refusal_says_how_long() -> None:
    assert str(Shut(1.25)) == "shut for 1.2 s"
