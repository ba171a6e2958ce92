"""What is kept of the calls for one update: each attempt with its answer, and of very many the first and the last."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.checkout import CheckoutClient
from connectors.connect import ConnectClient
from connectors.norce import CallLog, MadeCall, NorceError, Patience, Rejected, Unavailable, persist
from connectors.norce.calls import FIRST, LAST
from tests.clients.norce import Norce
from tests.clients.peer import Hang, Peer, Reply, Reset
from tests.clients.support import (
    CHANNEL,
    START,
    PatientClock,
    VirtualClock,
    api_for,
    at_most,
    body_of,
    checkout_settings,
    connect_settings,
    metrics,
    until,
)


async def test_each_attempt_is_kept_with_the_answer_that_it_got(peer: Peer, clock: PatientClock) -> None:
    peer.script(Reply(500, {"error": "busy"}), Reply(429, headers={"retry-after": "7"}), Reply(200, {"buyer": "Maja"}))
    log = CallLog()
    async with api_for(peer, clock) as caller:
        await caller.call(patience=Patience(120.0, log))
    assert [(made.status, made.reason, made.answer) for made in log] == [
        (500, "Norce answered 500", '{"error": "busy"}'),
        (429, "Norce answered 429", ""),
        (200, "", ""),
    ], "a good answer may hold a buyer's data"
    assert [made.at - START for made in log] == [0.0, 0.5, 8.0], "when each was sent"
    assert {(made.api, made.operation) for made in log} == {("connect", "Test")}
    assert (log.made, log.left_out) == (3, 0)


async def test_an_attempt_without_an_answer_is_kept_with_the_reason(peer: Peer) -> None:
    peer.script(Hang(), Reset(), Reply(200))
    log = CallLog()
    async with api_for(peer, attempt_timeout=0.2) as caller:
        await caller.call(patience=Patience(120.0, log))
    assert [made.status for made in log] == [None, None, 200]
    first, second, _ = (made.reason for made in log)
    assert "within 0.2 s" in first
    assert "broke" in second


async def test_a_refused_token_and_a_final_refusal_are_calls_too(peer: Peer) -> None:
    norce = Norce(peer)
    norce.connect_answers = [Reply(401), Reply(400, {"error": "unknown order"})]
    log = CallLog()
    settings = connect_settings(peer.url)
    async with ConnectClient(settings, clock=PatientClock(), uniform=at_most, metrics=metrics()) as client:
        with pytest.raises(Rejected):
            await client.send_order_status("7", None, [], "Confirmed", application_id=1, patience=Patience(120.0, log))
    assert [(made.operation, made.status) for made in log] == [("SendOrderStatus", 401), ("SendOrderStatus", 400)]
    assert [made.answer for made in log] == ["", '{"error": "unknown order"}']


async def test_what_is_looked_up_for_an_update_is_among_its_calls(peer: Peer) -> None:
    peer.script(Reply(404), Reply(200))
    log = CallLog()
    settings = checkout_settings(peer.url)
    async with CheckoutClient(settings, clock=PatientClock(), uniform=at_most, metrics=metrics()) as client:
        patience = Patience(120.0, log)
        assert await client.find_order(CHANNEL, "7", patience=patience) is None
        await client.patch_attributes(CHANNEL, "1", {"status": "confirmed"}, patience=patience)
    assert [(made.operation, made.status, made.reason) for made in log] == [
        ("FindOrders", 404, ""),  # which says that there is none
        ("PatchAttributes", 200, ""),
    ]


async def test_the_calls_of_all_rounds_are_kept_together(peer: Peer) -> None:
    failures = 12
    peer.script(*[Reply(503)] * failures)
    log = CallLog()
    async with VirtualClock(peer) as clock, api_for(peer, clock, breaker_failures=2) as caller:
        await persist(
            lambda patience: caller.api.call(caller.request, body_of, patience=patience), 60.0, calls=log, clock=clock
        )
    assert [made.status for made in log] == [503] * failures + [200]
    assert len(peer.received) == log.made == failures + 1


async def test_a_call_that_was_cut_off_says_so(peer: Peer) -> None:
    peer.handler = lambda _: Hang()
    log = CallLog()
    async with api_for(peer, attempt_timeout=60.0) as caller:
        calling = asyncio.create_task(caller.call(patience=Patience(120.0, log)))
        await until(lambda: peer.in_flight)
        calling.cancel()
        await asyncio.wait([calling])
    (made,) = log
    assert (made.status, made.reason.partition(":")[0]) == (None, "cut off before there was an answer")


async def test_what_was_not_sent_is_no_call(peer: Peer) -> None:
    peer.handler = lambda _: Reply(503)
    log = CallLog()
    async with api_for(peer, breaker_failures=1) as caller:
        for _ in range(2):  # the second time the circuit is open
            with pytest.raises((NorceError, Unavailable)):
                await caller.call(patience=Patience(120.0, log))
    assert log.made == len(peer.received) == 1


@given(st.integers(0, 1000))
def test_of_very_many_the_first_and_the_last_are_kept_and_the_others_counted(number: int) -> None:
    log = CallLog()
    for each in range(number):
        log.add(MadeCall(float(each), "connect", "Test", 500, "", "", 0.0))
    kept = [int(made.at) for made in log]
    assert log.left_out == number - len(kept) == max(0, number - FIRST - LAST)
    assert kept[:FIRST] == list(range(min(number, FIRST)))
    assert kept[FIRST:] == list(range(max(FIRST, number - LAST), number))
