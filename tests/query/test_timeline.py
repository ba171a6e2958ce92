"""A timeline over topics whose records are known one by one."""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from connectors.norce import Attempt, CallLog, MadeCall, NorceError
from connectors.norce.calls import FIRST, LAST
from pipeline import topics
from pipeline.audit.snapshot import Groups
from pipeline.broker import KafkaCluster
from pipeline.calls import encode_calls
from pipeline.dead_letters.records import dead_letter
from pipeline.domain import State
from pipeline.domain.updates import encode_update
from pipeline.ledger.records import LedgerEntry
from pipeline.query.things import KINDS_BY_TABLE, Thing, when
from pipeline.query.timeline import timeline
from tests.audit.scale import update
from tests.support.kafka import read_all
from tests.webhook.support import kafka_settings

GROUPS = Groups("worker", "connect", "checkout")
KEY, BUSY = "1:2:1", "1:2:3"
HOUR = 3600 * 1000
ANSWER = '{"error": "unknown order", "email": "maja@example.com"}'


async def test_what_happened_is_told_in_the_order_of_time_with_the_answers_that_norce_gave(
    fresh_kafka: KafkaCluster,
) -> None:
    """Written in an order of its own, as topics are read one after the other."""
    began = int(time.time() * 1000) - HOUR
    kafka = kafka_settings(fresh_kafka.bootstrap_servers)
    await topics.create(kafka, topics.PUBLIC)
    orders = KINDS_BY_TABLE["orders"]

    async def send(producer: AIOKafkaProducer, topic: str, key: str, value: bytes, second: int) -> int:
        sent = await producer.send_and_wait(topic, value, key=key.encode(), partition=0, timestamp_ms=at(second))
        return int(sent.offset)

    def at(second: int) -> int:
        return began + second * 1000

    def attempt(second: float, status: int | None, reason: str = "", answer: str = "") -> MadeCall:
        return MadeCall((began + second * 1000) / 1000, "connect", "SendOrderStatus", status, reason, answer, 0.08)

    async with AIOKafkaProducer(bootstrap_servers=fresh_kafka.bootstrap_servers) as producer:
        first = await send(producer, topics.UPDATES, KEY, encode_update(update(1)), 1)
        await send(producer, topics.UPDATES, "1:2:2", encode_update(update(2)), 2)
        third = await send(producer, topics.UPDATES, KEY, encode_update(update(1)), 3)
        fourth = await send(producer, topics.UPDATES, KEY, encode_update(update(1)), 5)
        ends = {"delivered": [[first, first]], "superseded": [[third, third]]}
        await send(producer, topics.LEDGER, topics.UPDATES, said(ends), 4)
        await send(producer, topics.LEDGER, topics.UPDATES, said({"dead": [[fourth, fourth]]}), 7)
        refused = {record.offset: record for record in await read_all(fresh_kafka.bootstrap_servers, topics.UPDATES)}
        letter = dead_letter(refused[fourth], "Connect answered 400", stage="connect", **told())
        await send(producer, topics.DEAD_LETTERS, KEY, letter.value or b"", 6)
        alert = {"opened_at": when(at(2)), "closed_at": when(at(8)), "closed_by": {"event_type": "OrderConfirmedEvent"}}
        await send(producer, topics.ALERTS, "a", orjson.dumps({**ALERT, **alert}), 8)
        busy = called(1, "delivered", attempt(1.5, 500, "Norce answered 500"), attempt(3.75, 200))
        for _ in range(2):  # as after a move of the topic that was cut short
            await send(producer, topics.CALLS, KEY, busy, 4)
        await send(producer, topics.CALLS, "1:2:2", called(2, "delivered", attempt(2.5, 200)), 4)
        outage = [attempt(number, 503, "Norce answered 503") for number in range(1234)]
        await send(producer, topics.CALLS, BUSY, called(3, "delivered", *outage), 1234)
        slow, final = (
            attempt(5.5, None, "no complete answer within 5 s"),
            attempt(6.5, 400, "Norce answered 400", ANSWER),
        )
        await send(producer, topics.CALLS, KEY, called(1, "dead", slow, final), 7)

    found = timeline(Thing(orders, orders.key.parse(KEY), 0, State(), (), None), kafka, GROUPS)

    assert found.complete
    assert [(entry.at, entry.what, entry.title) for entry in found.entries] == [
        (when(at(1)), "update", "Update for Connect"),
        (when(at(1) + 500), "call", "Connect: SendOrderStatus"),
        (when(at(2)), "alert", "Alert opened: stuck"),
        (when(at(3)), "update", "Update for Connect"),
        (when(at(3) + 750), "call", "Connect: SendOrderStatus"),
        (when(at(4)), "outcome", "Connect: delivered"),
        (when(at(4)), "not_sent", "Connect: superseded"),
        (when(at(5)), "update", "Update for Connect"),
        (when(at(5) + 500), "call", "Connect: SendOrderStatus"),
        (when(at(6)), "dead_letter", "Connect refused an update"),
        (when(at(6) + 500), "call", "Connect: SendOrderStatus"),
        (when(at(7)), "outcome", "Connect: dead"),
        (when(at(8)), "alert", "Alert closed: stuck"),
    ]
    assert found.entries[-2].text == "Norce refused it; it is in the dead letters"
    calls = [entry for entry in found.entries if entry.what == "call"]
    assert [call.text for call in calls] == [
        "answered 500 after 80 ms",
        "answered 200 after 80 ms",
        "no answer after 80 ms: no complete answer within 5 s",
        "answered 400 after 80 ms",
    ]
    refusal = calls[-1].details
    assert (refusal["api"], refusal["target"], refusal["status"]) == ("connect", "connect", 400)
    assert refusal["answer"]["error"] == "unknown order"
    assert "maja" not in repr(found)

    # Of very many calls it says how many it does not show.
    entries = timeline(Thing(orders, orders.key.parse(BUSY), 0, State(), (), None), kafka, GROUPS).entries
    one = "Connect: SendOrderStatus"
    assert [entry.title for entry in entries] == [*[one] * FIRST, "Connect: 1,214 more calls", *[one] * LAST]
    assert {entry.text for entry in entries if entry.title == one} == {"answered 503 after 80 ms"}


ALERT = {"id": "a", "kind": "stuck", "severity": "notice", "subject_key": KEY, "order_key": KEY, "details": {}}


def called(number: int, outcome: str, *made: MadeCall) -> bytes:
    """The record of what was called for an update."""
    log = CallLog()
    for call in made:
        log.add(call)
    record = encode_calls(KEY.encode(), update(number), "connect", outcome, log)
    assert record is not None
    return record.value or b""


def said(outcomes: dict[str, list[list[int]]]) -> bytes:
    return LedgerEntry(writer=GROUPS.connect, topic=topics.UPDATES, partition=0, outcomes=outcomes).encode()


def told() -> dict[str, Any]:
    """What a refusal of Connect tells a dead letter."""
    attempt = Attempt("SendOrderStatus", "POST", "http://127.0.0.1/orders", {}, 400, ANSWER, "answered 400")
    return {name: value for name, value in NorceError("-", attempt=attempt).describe().items() if name != "reason"}
