"""While Norce fails everyone it is left alone, and asked by one call at a time whether it is back."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.norce import CircuitOpen, Outcome, Rejected
from connectors.norce.breaker import Breaker, Permit, Shut, State
from tests.clients.peer import Peer, Reply
from tests.clients.support import PatientClock, api_for, until


async def opened(peer: Peer, call: Callable[[], Awaitable[bytes]]) -> None:
    peer.handler = lambda _: Reply(500)
    with pytest.raises(CircuitOpen):
        await call()


async def test_it_opens_after_so_many_failures_in_a_row(peer: Peer, clock: PatientClock) -> None:
    peer.handler = lambda _: Reply(500)
    async with api_for(peer, clock, breaker_failures=5) as caller:
        with pytest.raises(CircuitOpen) as caught:
            await caller.call()
        assert caller.api.breaker_open
    assert len(peer.received) == 5
    assert caught.value.outcome is Outcome.RETRY
    assert caught.value.retry_after == 15.0
    assert caught.value.attempt is not None
    assert caught.value.attempt.status == 500


async def test_an_open_circuit_refuses_without_calling_and_says_when(peer: Peer, clock: PatientClock) -> None:
    async with api_for(peer, clock, breaker_failures=1) as caller:
        await opened(peer, caller.call)
        clock.now += 5
        with pytest.raises(CircuitOpen) as caught:
            await caller.call()
    assert caught.value.retry_after == 10.0
    assert caught.value.attempt is None
    assert len(peer.received) == 1


async def test_a_success_in_between_keeps_it_closed(peer: Peer) -> None:
    peer.script(*[Reply(500), Reply(500), Reply()] * 5)
    async with api_for(peer, breaker_failures=3) as caller:
        for _ in range(5):
            await caller.call()
        assert not caller.api.breaker_open


@pytest.mark.parametrize("status", [400, 404, 409, 422, 302, 501])
async def test_a_final_answer_shows_that_norce_is_there(peer: Peer, status: int) -> None:
    async with api_for(peer, breaker_failures=3) as caller:
        for _ in range(4):
            peer.script(Reply(500), Reply(500), Reply(status))
            with pytest.raises(Rejected):
                await caller.call()
        assert not caller.api.breaker_open


async def test_one_of_many_callers_probes_and_a_success_lets_all_through(peer: Peer, clock: PatientClock) -> None:
    answer = asyncio.Event()
    async with api_for(peer, clock, breaker_failures=1, concurrency=10) as caller:
        await opened(peer, caller.call)
        closed = asyncio.create_task(caller.api.wait_until_closed())
        peer.handler = lambda _: Reply(after=answer)
        clock.now += 15
        calls = [asyncio.create_task(caller.call()) for _ in range(10)]
        refused, probes = set[asyncio.Task[bytes]](), set(calls)
        while len(refused) < 9:
            done, probes = await asyncio.wait(probes, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        assert all(isinstance(call.exception(), CircuitOpen) for call in refused)
        await until(lambda: peer.in_flight)
        assert len(peer.received) == 2
        assert not closed.done()
        answer.set()
        await probes.pop()
        await closed
        await asyncio.gather(*(caller.call() for _ in range(5)))


async def test_a_probe_that_fails_keeps_it_open_for_another_while(peer: Peer, clock: PatientClock) -> None:
    async with api_for(peer, clock, breaker_failures=3) as caller:
        await opened(peer, caller.call)
        clock.now += 15
        with pytest.raises(CircuitOpen) as caught:
            await caller.call()
        assert caught.value.retry_after == 15
    assert len(peer.received) == 4


async def test_a_cancelled_probe_makes_room_for_the_next(peer: Peer, clock: PatientClock) -> None:
    async with api_for(peer, clock, breaker_failures=1) as caller:
        await opened(peer, caller.call)
        peer.script(Reply(after=asyncio.Event()))
        clock.now += 15
        probe = asyncio.create_task(caller.call())
        await until(lambda: peer.in_flight)
        probe.cancel()
        await asyncio.wait({probe})
        peer.handler = lambda _: Reply()
        await caller.call()
        assert not caller.api.breaker_open


async def test_retry_after_keeps_it_shut_for_longer(peer: Peer, clock: PatientClock) -> None:
    peer.script(Reply(503, headers={"retry-after": "100"}))
    async with api_for(peer, clock, breaker_failures=1) as caller:
        with pytest.raises(CircuitOpen) as caught:
            await caller.call()
    assert caught.value.retry_after == 100


def test_a_late_result_of_an_earlier_time_changes_nothing(clock: PatientClock) -> None:
    breaker = Breaker(1, 15.0, clock)
    early, late_failure, late_success = breaker.admit(), breaker.admit(), breaker.admit()
    early.failed()
    clock.now += 15
    probe = breaker.admit()
    late_failure.failed()
    late_success.answered()
    assert breaker.state.name == "HALF_OPEN"
    probe.answered()
    assert breaker.state.name == "CLOSED"


async def test_those_who_wait_probe_one_after_the_other_in_the_order_they_came(clock: PatientClock) -> None:
    breaker = Breaker(1, 15.0, clock)
    breaker.admit().failed()
    turns: list[str] = []

    async def caller(name: str, failures: int) -> None:
        while True:
            await breaker.wait_for_turn()
            permit = breaker.admit()
            turns.append(name)
            await asyncio.sleep(0)
            if failures == 0:
                permit.answered()
                return
            failures -= 1
            permit.failed()

    await asyncio.gather(caller("poison", 1), caller("second", 1), caller("third", 0), caller("fourth", 0))
    assert turns[:3] == ["poison", "second", "third"]
    assert sorted(turns[3:]) == ["fourth", "poison", "second"]


async def test_a_newcomer_waits_behind_those_who_came_before(clock: PatientClock) -> None:
    morning = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await morning.wait()

    clock.sleep = sleep  # type: ignore[method-assign]  # a sleeper that is slow to wake
    breaker = Breaker(1, 15.0, clock)
    breaker.admit().failed()
    turns: list[str] = []

    async def caller(name: str) -> None:
        await breaker.wait_for_turn()
        turns.append(name)
        breaker.admit().answered()

    first = asyncio.create_task(caller("first"))
    await asyncio.sleep(0)
    clock.now += 15
    newcomer = asyncio.create_task(caller("newcomer"))
    await asyncio.sleep(0)
    morning.set()
    await asyncio.gather(first, newcomer)
    assert turns == ["first", "newcomer"]


def test_a_shorter_hold_does_not_end_a_longer_one(clock: PatientClock) -> None:
    breaker = Breaker(1, 15.0, clock)
    breaker.hold(100)
    breaker.hold(10)
    assert breaker.shut_for() == 100


async def test_a_turn_nobody_uses_goes_to_the_next(clock: PatientClock) -> None:
    breaker = Breaker(1, 15.0, clock)
    breaker.admit().failed()
    await breaker.wait_for_turn()  # and then never calls
    await breaker.wait_for_turn()
    assert clock.now == 30


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["admit", "answered", "failed", "dropped"]),
        st.floats(0.1, 20).map(lambda seconds: ("pass", seconds)),
        st.floats(0.1, 50).map(lambda seconds: ("hold", seconds)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4))
def test_whatever_happens_only_one_call_is_out_while_it_is_not_closed(
    steps: list[str | tuple[str, float]], threshold: int
) -> None:
    clock = PatientClock()
    breaker = Breaker(threshold, 15.0, clock)
    out: list[tuple[Permit, State]] = []
    for step in steps:
        before = breaker.generation
        match step:
            case "admit":
                try:
                    out.append((breaker.admit(), breaker.state))
                except Shut:
                    assert breaker.shut_for() > 0
                    assert breaker.generation == before
            case ("pass", float(seconds)):
                clock.now += seconds
            case ("hold", float(seconds)):
                breaker.hold(seconds)
                assert breaker.shut_for() > 0
            case str(result) if out:
                permit, _ = out.pop(0)
                with permit:
                    if result != "dropped":
                        getattr(permit, result)()
        probes = [permit for permit, state in out if state is State.HALF_OPEN]
        assert len(probes) <= 1 or breaker.state is not State.HALF_OPEN
        if breaker.state is State.HALF_OPEN:
            assert len(probes) == 1
    for permit, _ in out:
        with permit:
            pass
    clock.now += 1000
    assert breaker.admit() is not None  # it never stays shut for good
