"""An outage costs no update; an update that alone keeps failing is put aside and blocks nobody."""

import asyncio

import pytest

from connectors.norce import CircuitOpen, NorceError, Outcome, Patience, Request, Unavailable, persist
from tests.clients.peer import Peer, Received, Reply, Reset
from tests.clients.support import Caller, PatientClock, VirtualClock, api_for, body_of, until

HOUR = 3600.0
DEADLINE = 120.0
OUTAGES = {
    "500": Reply(500),
    "503 with Retry-After": Reply(503, headers={"retry-after": "120"}),
    "429": Reply(429),
    "reset": Reset(),
}


async def send(caller: Caller, path: str, clock: VirtualClock, outage_limit: float | None = None) -> bytes:
    """One update, tried for as long as it is not at fault."""
    request = Request("Test", "POST", f"{caller.request.url}{path}", body={})
    return await persist(
        lambda patience: caller.api.call(request, body_of, patience=patience),
        DEADLINE,
        outage_limit=outage_limit,
        clock=clock,
    )


async def traffic(caller: Caller, clock: VirtualClock, interval: float) -> None:
    """Other updates, one every so many seconds."""
    while True:
        await clock.sleep(interval)
        await send(caller, "/other", clock)


@pytest.mark.parametrize("failure", OUTAGES.values(), ids=OUTAGES)
async def test_an_outage_of_hours_costs_no_update(peer: Peer, failure: Reply | Reset) -> None:
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=5) as caller:
        peer.handler = lambda _: failure if clock.now < 2 * HOUR else Reply(200, b"fine")
        sent = await asyncio.gather(*(send(caller, f"/{number}", clock) for number in range(8)))
        assert sent == [b"fine"] * 8
        assert 2 * HOUR <= clock.now < 2 * HOUR + 200
    assert len(peer.received) < 2 * HOUR / 15 + 30  # one probe per reset, not one per update


@pytest.mark.parametrize("interval", [1.0, 20.0, 90.0], ids="one other update every {} s".format)
async def test_an_update_that_alone_fails_is_put_aside(peer: Peer, interval: float) -> None:
    peer.handler = poisonous
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=5) as caller:
        others = asyncio.create_task(traffic(caller, clock, interval))
        with pytest.raises(Unavailable) as caught:
            await send(caller, "/poison", clock)
        assert clock.now < 0.2 * HOUR
        assert not others.done()
        others.cancel()
    assert caught.value.alone
    assert caught.value.outcome is Outcome.DEAD_LETTER
    assert caught.value.describe()["outcome"] == "dead_letter"


async def test_such_updates_do_not_keep_each_other_or_the_others(peer: Peer) -> None:
    peer.handler = poisonous
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=5, concurrency=2) as caller:
        others = asyncio.create_task(traffic(caller, clock, 1.0))
        ends = await asyncio.gather(*(send(caller, "/poison", clock) for _ in range(6)), return_exceptions=True)
        assert all(isinstance(end, Unavailable) and end.alone for end in ends)
        assert sum(received.path.endswith("/other") for received in peer.received) > DEADLINE / 15
        others.cancel()


@pytest.mark.parametrize("breaker_failures", [5, 1000])
async def test_failures_just_before_an_outage_are_not_held_against_an_update(peer: Peer, breaker_failures: int) -> None:
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=breaker_failures) as caller:

        def outage(received: Received) -> Reply:
            bad = received.path.endswith("/unlucky") or clock.now > 2
            return Reply(500 if bad and clock.now < HOUR else 200)

        peer.handler = outage
        others = asyncio.create_task(traffic(caller, clock, 0.9))
        await send(caller, "/unlucky", clock)
        assert clock.now >= HOUR
        assert not others.done()
        others.cancel()


async def test_an_update_that_is_the_only_traffic_stays_undecided_until_told_otherwise(peer: Peer) -> None:
    peer.handler = poisonous
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=5) as caller:
        with pytest.raises((CircuitOpen, Unavailable)) as caught:
            await send(caller, "/poison", clock, outage_limit=HOUR)
        assert clock.now >= HOUR
    assert caught.value.outcome is Outcome.RETRY


async def test_what_is_final_is_not_persisted_in(peer: Peer) -> None:
    peer.script(Reply(400))
    async with VirtualClock(peer) as clock, api_for(peer, clock) as caller:
        with pytest.raises(NorceError):
            await send(caller, "", clock)
    assert len(peer.received) == 1


async def test_an_update_can_be_cancelled_while_it_waits(peer: Peer) -> None:
    peer.handler = lambda _: Reply(500)
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=2) as caller:
        waiting = [asyncio.create_task(send(caller, "", clock)) for _ in range(3)]
        await until(lambda: clock.now >= 100)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        peer.handler = lambda _: Reply(200, b"fine")
        assert await send(caller, "", clock) == b"fine"


async def test_a_deadline_that_decided_nothing_begins_another_round(peer: Peer, clock: PatientClock) -> None:
    peer.handler = lambda _: Reply(500)
    async with api_for(peer, clock) as caller:
        patience = Patience(DEADLINE)
        for _ in range(3):
            before = len(peer.received)
            with pytest.raises(Unavailable) as caught:
                await caller.call(patience=patience)
            assert caught.value.outcome is Outcome.RETRY
            assert len(peer.received) - before >= 4


async def test_tries_are_counted_over_all_calls_for_an_update(peer: Peer) -> None:
    peer.handler = lambda _: Reply(500)
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=2) as caller:
        patience = Patience(DEADLINE)
        for _ in range(3):
            with pytest.raises(CircuitOpen):
                await caller.call(patience=patience)
            await clock.sleep(15)
        assert patience.account("connect").attempts == len(peer.received) == 4


def poisonous(received: Received) -> Reply:
    return Reply(500 if received.path.endswith("/poison") else 200)
