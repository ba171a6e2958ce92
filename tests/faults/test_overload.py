"""Far more than can be taken: who cannot be served is told so in time, and what was taken is joined."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import httpx

from tests.faults.chaos import caught_up
from tests.faults.sampling import Sampler
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import read_all
from tests.verifier.differences import in_orders

IN_FLIGHT = 60
"""Requests that may wait for Kafka at once; twice as many connections are let in (connectors/webhook/server.py)."""
SENDERS = 110
POSTS_EACH = 40
NORCE_TIMEOUT = 5.0
"""Seconds after which Norce hangs up (Norce docs)."""
GROWTH = 50 * 1024**2
"""Bytes that the connector may grow by."""


async def send(system: System, client: httpx.AsyncClient, sender: int, answers: Counter[int], taken: set[str]) -> None:
    """Posts one event after the other without a pause."""
    headers = {"x-norce-secret": system.stack.environment["NORCE_WEBHOOK_SECRETS"]}
    for number in range(POSTS_EACH):
        reference = str(1_000_000 + sender * POSTS_EACH + number)
        body = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": reference, "Source": "WEB"}
        url = f"{system.stack.url('webhook')}/webhooks/norce/OrderReceivedEvent"
        answer = await client.post(url, content=json.dumps(body), headers=headers)
        answers[answer.status_code] += 1
        if answer.status_code == 200:
            taken.add(f"1:2:{reference}")
        else:
            assert int(answer.headers["retry-after"]) > 0


async def test_ten_times_what_can_be_taken_is_told_503_in_time_and_the_rest_is_joined(make_system: MakeSystem) -> None:
    system = await make_system(
        NORCE_SIMULATOR_ORDERS=0, NORCE_SIMULATOR_FAILURES=0, NORCE_WEBHOOK_MAX_IN_FLIGHT=IN_FLIGHT
    )
    await system.start(*ALL, "simulator")
    sampler = Sampler(system.stack, interval=0.5)
    sampler.look()
    watching = asyncio.create_task(sampler.run())
    answers: Counter[int] = Counter()
    taken: set[str] = set()
    limits = httpx.Limits(max_connections=SENDERS, max_keepalive_connections=SENDERS)
    # Nobody waits for longer than Norce does: an answer that comes later raises here.
    async with httpx.AsyncClient(timeout=NORCE_TIMEOUT, limits=limits) as client:
        await asyncio.gather(*(send(system, client, sender, answers, taken) for sender in range(SENDERS)))
    assert set(answers) == {200, 503}
    at = time.monotonic()
    await caught_up(system.stack, "worker")
    assert time.monotonic() - at < 120
    watching.cancel()
    memory = [sample.resident for sample in sampler.samples if sample.process == "webhook"]
    assert max(memory) - memory[0] < GROWTH
    on_topic = {record.key.decode() for record in await read_all(system.servers, "norce.events.order")}
    assert taken <= on_topic
    expected = await system.expected()
    assert expected.keys() == on_topic
    assert in_orders(expected, await system.enriched()) == []
