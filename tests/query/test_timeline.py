"""A timeline over topics whose records are known one by one."""

from __future__ import annotations

import time
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from connectors.norce.errors import Attempt, NorceError
from pipeline import topics
from pipeline.audit.snapshot import Groups
from pipeline.broker import KafkaCluster
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
KEY = "1:2:1"
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

    found = timeline(Thing(orders, orders.key.parse(KEY), 0, State(), (), None), kafka, GROUPS)

    assert found.complete
    assert [(entry.at, entry.what, entry.title) for entry in found.entries] == [
        (when(at(1)), "update", "Update for Connect"),
        (when(at(2)), "alert", "Alert opened: stuck"),
        (when(at(3)), "update", "Update for Connect"),
        (when(at(4)), "call", "Connect: delivered"),
        (when(at(4)), "not_sent", "Connect: superseded"),
        (when(at(5)), "update", "Update for Connect"),
        (when(at(6)), "dead_letter", "Connect refused an update"),
        (when(at(7)), "call", "Connect: dead"),
        (when(at(8)), "alert", "Alert closed: stuck"),
    ]
    call = found.entries[-2]
    assert call.text == "Norce refused it; it is in the dead letters; the answer was 400"
    assert (call.details["operation"], call.details["status"]) == ("SendOrderStatus", 400)
    assert call.details["answer"]["error"] == "unknown order"
    assert "maja" not in repr(found)


ALERT = {"id": "a", "kind": "stuck", "severity": "notice", "subject_key": KEY, "order_key": KEY, "details": {}}


def said(outcomes: dict[str, list[list[int]]]) -> bytes:
    return LedgerEntry(writer=GROUPS.connect, topic=topics.UPDATES, partition=0, outcomes=outcomes).encode()


def told() -> dict[str, Any]:
    """What a refusal of Connect tells a dead letter."""
    attempt = Attempt("SendOrderStatus", "POST", "http://127.0.0.1/orders", {}, 400, ANSWER, "answered 400")
    return {name: value for name, value in NorceError("-", attempt=attempt).describe().items() if name != "reason"}
