"""The join as one would write it by hand for speed: an aiokafka consumer, a dict, batches, and a commit at the end.

The practical limit. State is live objects in a dict, so nothing is decoded or built twice; it is lost with the process
and there is no code to read the changelog back. All that is sent is acknowledged before the offsets are committed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import Any, NamedTuple

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.peers import join_work as work
from pipeline.domain import (
    DEFAULT_ALERTS,
    DEFAULT_POLICIES,
    Key,
    OrderView,
    Recorded,
    State,
    changed,
    conditions,
    derive,
    encode,
    encode_alert,
    encode_update,
    enriched,
    fold,
    order_view,
)
from pipeline.domain.alerts.review import NOTHING, review

Records = list[tuple[bytes, bytes | None]]


class Order(NamedTuple):
    """What is kept of an order."""

    state: State | None = None
    view: OrderView | None = None
    recorded: Recorded = NOTHING


class Loop:
    """The dict, and what follows from events."""

    def __init__(self) -> None:
        self.orders: dict[bytes, Order] = {}

    def work(self, records: list[Any]) -> dict[str, Records]:
        """What has to be sent for the records of one partition, by kind of output or table."""
        sent: dict[str, Records] = defaultdict(list)
        known = Order()
        for record in records:
            found = work.read(record.headers, record.key, record.value)
            if found is None:
                continue
            key, arrival = found
            name = record.key
            order = self.orders.get(name, known)
            state = fold(key, order.state, [arrival]).state
            if state is not order.state:
                self.orders[name] = self._show(sent, name, key, state, order)
            for kind, other, body in work.failures(key, arrival):
                sent[kind].append((other, body))
        return sent

    def _show(self, sent: dict[str, Records], name: bytes, key: Key, state: State, order: Order) -> Order:
        view = order_view(key, state)  # type: ignore[arg-type]
        sent["orders-changelog"].append((name, encode(state)))
        if not changed(order.view, view):
            return order._replace(state=state, view=view)
        sent[work.ENRICHED].append((name, enriched(view)))
        sent[work.UPDATES] += [(name, encode_update(update)) for update in derive(order.view, view, DEFAULT_POLICIES)]
        now = time.time_ns() // 1000
        looked = review(work.KIND.decode(), key.text, order.recorded, conditions(view, DEFAULT_ALERTS), now)
        sent[work.ALERTS] += [(alert.id.encode(), encode_alert(alert)) for alert in looked.alerts]
        sent["alerts-changelog"] += work.changes_of(name, order.recorded, looked.recorded)
        return Order(state, view, looked.recorded)


async def run(options: dict[str, Any]) -> None:
    consumer = AIOKafkaConsumer(
        *work.INPUTS,
        bootstrap_servers=options["servers"],
        group_id=options["group"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=options["servers"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=512 * 1024,
        max_request_size=1_000_000,
    )
    await consumer.start()
    await producer.start()
    loop = Loop()
    while True:
        fetched = await consumer.getmany(timeout_ms=500, max_records=2000)
        for tp, records in fetched.items():
            async with asyncio.TaskGroup() as group:
                for name, found in loop.work(records).items():
                    group.create_task(_send(producer, f"{options['output']}.{name}", tp.partition, found))
        if fetched:
            await consumer.commit()


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, records: Records) -> None:
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(timestamp=None, key=key, value=value) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value)
    await (await producer.send_batch(batch, topic, partition=partition))


if __name__ == "__main__":
    uvloop.run(run(json.loads(sys.argv[1])))
