"""Every status does what the table says, over the wire."""

import pytest

from connectors.norce import Outcome, Rejected, Unauthorized, Unavailable
from connectors.norce.statuses import Action, action_for
from tests.clients.peer import Peer, Reply
from tests.clients.support import PatientClock, api_for

ACCEPTED = [200, 201, 202, 204, 299]
RETRIED = [408, 425, 429, 500, 502, 503, 504, 507, 520, 599]
FINAL = [300, 301, 302, 303, 307, 308, 400, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451, 499, 501, 505]


def test_every_status_has_exactly_one_meaning() -> None:
    by_action = {action: {s for s in range(100, 600) if action_for(s) is action} for action in Action}
    assert by_action[Action.ACCEPT] == set(range(200, 300))
    assert by_action[Action.RENEW] == {401}
    assert by_action[Action.RETRY] == {408, 425, 429, *range(500, 600)} - {501, 505}
    assert action_for(99) is action_for(600) is Action.REJECT


@pytest.mark.parametrize("status", ACCEPTED)
async def test_a_2xx_is_success(peer: Peer, status: int) -> None:
    peer.script(Reply(status))
    async with api_for(peer) as caller:
        await caller.call()
    assert len(peer.received) == 1


@pytest.mark.parametrize("status", RETRIED)
async def test_what_may_pass_is_tried_again(peer: Peer, status: int) -> None:
    peer.script(Reply(status), Reply(status), Reply(200, b"fine"))
    async with api_for(peer) as caller:
        assert await caller.call() == b"fine"
    assert len(peer.received) == 3


@pytest.mark.parametrize("status", RETRIED)
async def test_what_does_not_pass_is_unavailable_after_the_deadline(peer: Peer, status: int) -> None:
    peer.handler = lambda _: Reply(status, b"why")
    async with api_for(peer) as caller:
        with pytest.raises(Unavailable) as caught:
            await caller.call()
    assert caught.value.attempt is not None
    assert (caught.value.attempt.status, caught.value.attempt.answer) == (status, "why")
    assert caught.value.attempts == len(peer.received) > 3


@pytest.mark.parametrize("status", FINAL)
async def test_a_final_answer_is_not_asked_for_twice(peer: Peer, status: int) -> None:
    peer.script(Reply(status, b"because", {"location": f"{peer.url}/elsewhere"}))
    async with api_for(peer) as caller:
        with pytest.raises(Rejected) as caught:
            await caller.call()
    assert caught.value.outcome is Outcome.DEAD_LETTER
    assert caught.value.describe() == {
        "error": "Rejected",
        "outcome": "dead_letter",
        "reason": f"Norce answered {status}",
        "attempt": {
            "operation": "Test",
            "method": "POST",
            "url": f"{peer.url}/test",
            "request": {"test": 1},
            "status": status,
            "answer": "because",
            "reason": f"Norce answered {status}",
        },
    }
    assert [request.path for request in peer.received] == ["/test"]


async def test_a_401_that_stays_stops_the_sink(peer: Peer) -> None:
    peer.handler = lambda _: Reply(401)
    async with api_for(peer) as caller:
        with pytest.raises(Unauthorized) as caught:
            await caller.call()
    assert caught.value.outcome is Outcome.STOP


async def test_an_answer_that_cannot_be_read_is_tried_again(peer: Peer, clock: PatientClock) -> None:
    peer.script(Reply(200, b"<html>maintenance</html>"), Reply(200, {"good": True}))
    async with api_for(peer, clock) as caller:
        assert await caller.api.call(caller.request, lambda answer: answer.json()) == {"good": True}


async def test_only_the_first_2_kib_of_an_answer_are_kept(peer: Peer) -> None:
    peer.script(Reply(400, "é".encode() * 5000))
    async with api_for(peer) as caller:
        with pytest.raises(Rejected) as caught:
            await caller.call()
    assert caught.value.attempt is not None
    assert caught.value.attempt.answer == "é" * 1024
