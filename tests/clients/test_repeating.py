"""When an attempt is repeated, after how long, and when it is given up."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.norce import CircuitOpen, Outcome, Patience, Request, Unavailable
from connectors.norce.backoff import RETRY_AFTER_MAX, Backoff, parse_retry_after
from tests.clients.peer import Hang, Peer, Reply
from tests.clients.support import START, PatientClock, api_for, at_most


async def test_waits_double_up_to_a_maximum(peer: Peer, clock: PatientClock) -> None:
    peer.script(*[Reply(500)] * 7)
    async with api_for(peer, clock, backoff_max=10.0) as caller:
        await caller.call()
    assert clock.slept == [0.5, 1, 2, 4, 8, 10, 10]


async def test_the_deadline_covers_all_attempts_and_waits(peer: Peer, clock: PatientClock) -> None:
    peer.handler = lambda _: Reply(500)
    async with api_for(peer, clock, deadline=20.0) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.call()
    assert clock.slept == [0.5, 1, 2, 4, 8]
    assert caught.value.attempts == 6
    assert caught.value.elapsed == 15.5


async def test_the_deadline_cuts_the_last_attempt_short(peer: Peer) -> None:
    class HalfwayThere(PatientClock):
        """Attempts that take a real moment, on a clock that says 0.9 of the deadline are over after the first."""

        def monotonic(self) -> float:
            return 0.9 if peer.received else 0.0

    peer.script(Reply(500))
    peer.handler = lambda _: Hang()
    async with api_for(peer, HalfwayThere(), deadline=1.0, attempt_timeout=0.9, backoff_initial=0.001) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.call()
    assert caught.value.attempt is not None
    seconds = float(caught.value.attempt.reason.removeprefix("no complete answer within ").removesuffix(" s"))
    assert 0 < seconds < 0.1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_retry_after_in_seconds_replaces_the_backoff(peer: Peer, clock: PatientClock, status: int) -> None:
    peer.script(Reply(status, headers={"retry-after": "42"}))
    async with api_for(peer, clock) as caller:
        await caller.call()
    assert clock.slept == [42.5]  # with half a second of jitter on top


async def test_retry_after_as_a_date_is_understood(peer: Peer, clock: PatientClock) -> None:
    peer.script(Reply(503, headers={"retry-after": formatdate(START + 30, usegmt=True)}))
    async with api_for(peer, clock) as caller:
        await caller.call()
    assert clock.slept == [30.5]


async def test_retry_after_holds_back_the_other_calls_too(peer: Peer, clock: PatientClock) -> None:
    peer.script(Reply(429, headers={"retry-after": "60"}))
    async with api_for(peer, clock, deadline=50.0) as caller:
        with pytest.raises(Unavailable):
            await caller.call()
        with pytest.raises(CircuitOpen) as caught:
            await caller.call()
        assert caught.value.retry_after == 60
        assert len(peer.received) == 1
        await caller.call(patience=Patience(100.0))
    assert clock.slept == [60]


async def test_the_body_can_be_made_anew_for_every_attempt(peer: Peer) -> None:
    async def numbered(request: Request) -> Request:
        return Request(request.operation, request.method, request.url, body={"attempt": len(peer.received) + 1})

    peer.script(Reply(500), Reply(500))
    async with api_for(peer) as caller:
        await caller.call(refresh=numbered)
    assert [request.json for request in peer.received] == [{"attempt": 1}, {"attempt": 2}, {"attempt": 3}]


async def test_a_call_that_failed_with_everyone_else_is_to_be_tried_again(peer: Peer) -> None:
    peer.handler = lambda _: Reply(500)
    async with api_for(peer) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.call()
    assert caught.value.outcome is Outcome.RETRY
    description = caught.value.describe()
    assert description["outcome"] == "retry"
    assert (description["attempts"], description["alone"]) == (caught.value.attempts, False)


@given(st.integers(1, 10_000), st.floats(0.001, 60), st.floats(0.001, 600))
def test_a_wait_is_never_longer_than_the_maximum(failures: int, initial: float, maximum: float) -> None:
    wait = Backoff(initial, maximum, at_most).wait(failures)
    assert 0 <= wait <= maximum
    assert wait == min(maximum, initial * 2 ** min(failures - 1, 32))


@given(st.integers(1, 100), st.floats(0, 300))
def test_a_wait_is_never_shorter_than_norce_asked_for(failures: int, asked: float) -> None:
    assert Backoff(0.5, 30.0, lambda low, high: low).wait(failures, asked) == asked


@given(st.one_of(st.none(), st.text(), st.integers().map(str), st.datetimes().map(lambda d: formatdate(d.year))))
def test_no_retry_after_can_park_or_crash_a_sink(value: str | None) -> None:
    seconds = parse_retry_after(value, START)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_MAX


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("86400", RETRY_AFTER_MAX),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:30", 10.0),
        ("Tue, 14 Nov 2023 23:13:30 +0100", 10.0),
        ("Tue, 14 Nov 2000 22:13:30 GMT", 0.0),
        ("Tue, 14 Nov 2100 22:13:30 GMT", RETRY_AFTER_MAX),
        ("Tue, 99 Nov 2023 22:13:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_rfc_9110_writes_it(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, START) == seconds
