"""Our orders as of the beginning of a sweep, on disk: there may be more of them than fit in memory."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import msgspec
from aiokafka import TopicPartition
from rocksdict import Options, Rdict

from pipeline.events.registry import ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC
from pipeline.framing import unframed
from pipeline.progress import Progress
from pipeline.reading import consumer as open_consumer
from pipeline.reading import read_to_end
from pipeline.reconciliation.compare import OurOrder
from pipeline.reconciliation.errors import WorkerBehind
from pipeline.settings import KafkaSettings
from pipeline.topics import ORDERS_ENRICHED

ORDER_TOPICS = (ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC)
LOOK_EVERY = 0.5
"""Seconds between two looks at how far the worker is."""

_ORDER = msgspec.json.Decoder(OurOrder)
_ENCODER = msgspec.msgpack.Encoder()
_STORED = msgspec.msgpack.Decoder(OurOrder)


class OurOrders:
    """The newest enriched record of each order, and which of them Norce has told of. A context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="norce-reconcile-"))
        self._orders = Rdict(str(self._folder / "orders"), options=Options(raw_mode=True))
        self._told = Rdict(str(self._folder / "told"), options=Options(raw_mode=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.close()
        self._told.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def load(self, kafka: KafkaSettings, progress: Progress) -> int:
        """Read the topic; returns how many records it has.

        Raises:
            BrokerUnreachable
        """
        count = 0
        async for record in read_to_end(kafka, ORDERS_ENRICHED, range(kafka.partitions), None, progress):
            self.put(record.key, record.value)
            count += 1
        return count

    def put(self, key: bytes, value: bytes | None) -> None:
        """Take the newest record of a key in; one without a value says that the order is gone."""
        if value is None:
            self._orders.delete(key)
        else:
            self._orders[key] = _ENCODER.encode(_ORDER.decode(unframed(value)))

    def get(self, key: str) -> OurOrder | None:
        """An order by its key."""
        stored = self._orders.get(key.encode())
        return None if stored is None else _STORED.decode(stored)

    def told(self, key: str) -> None:
        """Note that Norce has an order."""
        self._told[key.encode()] = b""

    def is_known(self, key: str) -> bool:
        """Whether we have an order, or Norce has told of it."""
        return key.encode() in self._told or key.encode() in self._orders

    def untold(self, client_id: int, application_id: int) -> Iterator[tuple[str, OurOrder]]:
        """The orders of an application that Norce has not told of."""
        prefix = f"{client_id}:{application_id}:".encode()
        for key, stored in cast(Iterator[tuple[bytes, bytes]], self._orders.items(from_key=prefix)):
            if not key.startswith(prefix):
                return
            if key not in self._told:
                yield key.decode(), _STORED.decode(stored)


async def wait_for_worker(kafka: KafkaSettings, group: str, patience: float, progress: Progress) -> None:
    """Return when the worker has joined every event about orders that is there now.

    Otherwise what waits to be joined would look as if it had never come.

    Raises:
        WorkerBehind: it did not in ``patience`` seconds.
        BrokerUnreachable
    """
    async with open_consumer(kafka, group) as consumer:
        tps = [TopicPartition(topic, number) for topic in ORDER_TOPICS for number in range(kafka.partitions)]
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        until = time.monotonic() + patience
        waiting = {tp: ends[tp] - begins[tp] for tp in tps}
        progress.begin("waiting for the worker", sum(waiting.values()))
        while True:
            before = sum(waiting.values())
            for tp in [tp for tp, count in waiting.items() if count]:
                waiting[tp] = ends[tp] - min(max(await consumer.committed(tp) or 0, begins[tp]), ends[tp])
            waiting = {tp: count for tp, count in waiting.items() if count}
            progress.advance(before - sum(waiting.values()))
            if not waiting:
                return
            if time.monotonic() >= until:
                raise WorkerBehind(group, len(waiting), patience)
            await asyncio.sleep(LOOK_EVERY)
