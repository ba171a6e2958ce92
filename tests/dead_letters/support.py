"""A broker, workers as processes, and the commands of an operator."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.dead_letters.parked import HEAD, ParkedKey
from pipeline.events import EVENT_TYPES
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from pipeline.settings import KafkaSettings
from tests.faults.judging import as_of
from tests.support.kafka import admin, lag, read_all
from tests.support.processes import ROOT, Process
from tests.verifier.differences import Difference, in_orders
from tests.verifier.expected import RawRecord, expected_orders

GROUP = "norce-orders"
PARTITIONS = 2
PARKED = f"{GROUP}-parked-changelog"
_numbers = count(1)
_references = count(7001)


def reference(partition: int | None = None) -> str:
    """Of an order that no other test has; in that partition."""
    while True:
        found = str(next(_references))
        if partition is None or home(f"1:2:{found}".encode(), PARTITIONS) == partition:
            return found


def event(event_type: str, ref: str, **fields: Any) -> SimpleNamespace:
    """An order's event as the connector writes it."""
    spec, body = EVENT_TYPES[event_type], {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": ref, **fields}
    value = json.dumps(body).encode()
    number = next(_numbers)
    return SimpleNamespace(
        topic=spec.topic,
        id=f"event-{number}",
        key=f"1:2:{ref}".encode(),
        value=value,
        headers=[
            ("ce_id", f"event-{number}".encode()),
            ("ce_type", f"io.norce.{event_type}".encode()),
            ("ce_time", datetime.now(UTC).isoformat(timespec="microseconds").encode()),
        ],
    )


def paid(ref: str, code: str, **fields: Any) -> SimpleNamespace:
    body = {"ErpOrderNo": "SO", "PaymentCode": code, "Amount": 10.5, "CurrencyCode": "SEK"}
    return event("OrderPaymentReceivedEvent", ref, **body, **fields)


def confirmed(ref: str, **fields: Any) -> SimpleNamespace:
    return event("OrderConfirmedEvent", ref, **{"OrderId": 5, "OrderNo": "SO", "Source": "WEB", **fields})


def delivered(ref: str) -> SimpleNamespace:
    return event("OrderDeliveredEvent", ref, OrderId=5, OrderNo="SO", Source="WEB")


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    error: str


class Rig:
    """What a test has at hand."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.defect = folder / "defect"
        self._operator: asyncio.subprocess.Process | None = None
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "NORCE_KAFKA_PARTITIONS": str(PARTITIONS),
            "NORCE_KAFKA_REPLICATION_FACTOR": "1",
            "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "1",
            "NORCE_WORKER_HOST": "127.0.0.1",
            "NORCE_WORKER_ALERT_SWEEP_INTERVAL": "2",
            "TEST_DEFECT": str(self.defect),
        }
        self.kafka = KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": servers,
                "partitions": PARTITIONS,
                "replication_factor": 1,
                "min_insync_replicas": 1,
            }
        )

    def worker(self, name: str = "worker", **environment: str) -> Process:
        """A worker with a volume of its own."""
        (port,) = free_ports(1)
        mine = {
            "NORCE_WORKER_DATA_DIR": str(self.folder / name),
            "NORCE_WORKER_PORT": str(port),
            "NORCE_WORKER_INSTANCE_ID": name,
        }
        return Process(
            "-m",
            "tests.dead_letters.program",
            "worker",
            log=self.folder / f"{name}.log",
            environment={**self.environment, **mine, **environment},
        )

    async def command(self, *words: str) -> Done:
        """``norce-pipeline dead-letters`` with these words."""
        return await self.run("dead-letters", *words)

    async def run(self, *words: str) -> Done:
        """``norce-pipeline`` with these words; nobody is there to answer its questions."""
        if self._operator is None:
            self._operator = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.dead_letters.operator"),
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "USER": "operator", **self.environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        assert self._operator.stdin is not None
        assert self._operator.stdout is not None
        self._operator.stdin.write(json.dumps(words).encode() + b"\n")
        return Done(*json.loads(await asyncio.wait_for(self._operator.stdout.readline(), 120)))

    async def close(self) -> None:
        if self._operator is not None and self._operator.stdin is not None:
            self._operator.stdin.close()
            await self._operator.wait()

    async def json(self, *words: str, code: int = 0) -> Any:
        done = await self.command(*words, "--json")
        assert done.code == code, done
        return json.loads(done.out)

    async def send(self, *records: Any) -> None:
        """Put events where the connector would, in their order."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for each in records:
                partition = home(each.key, PARTITIONS)
                await producer.send_and_wait(
                    each.topic, each.value, key=each.key, partition=partition, headers=each.headers
                )
        finally:
            await producer.stop()

    async def lag(self) -> int:
        """Events that no worker has committed; of a topic that the broker does not show yet, it is not known."""
        seen = await lag(self.servers, GROUP, *EVENT_TOPICS)
        return sum(seen.values()) + len(EVENT_TOPICS) * PARTITIONS - len(seen)

    async def without_leader(self) -> list[str]:
        """Topics that cannot be written to yet."""
        async with admin(self.servers) as client:
            described: list[Any] = await client.describe_topics()
        return [each["topic"] for each in described if any(p["leader"] < 0 for p in each["partitions"])]

    async def records(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in await read_all(self.servers, topic)]

    async def parked(self) -> dict[str, ParkedKey]:
        """Parked keys, as the changelog has them."""
        found: dict[str, ParkedKey] = {}
        for record in await read_all(self.servers, PARKED):
            if record.key.startswith(HEAD):
                found.pop(record.key.decode(), None)
                if record.value is not None:
                    found[record.key.decode()] = ParkedKey.decode(record.value)
        return {head.key: head for head in found.values()}

    async def enriched(self) -> dict[str, Mapping[str, Any]]:
        found = await read_all(self.servers, topics.ORDERS_ENRICHED)
        return {record.key.decode(): json.loads(record.value) for record in found}

    async def differences(self, *dropped: str) -> list[Difference]:
        """What a recomputation from the raw topics, without the dropped events, finds wrong."""
        raw = [
            RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in await read_all(self.servers, *EVENT_TOPICS)
        ]
        records = await self.enriched()
        return in_orders(as_of(expected_orders(raw, set_aside=frozenset(dropped)), records), records)

    async def drops(self) -> set[str]:
        """Ids of the events that are said to be dropped."""
        said = await self.records(topics.RESOLUTIONS)
        return {e["event_id"] for each in said for e in each["events"] if e["outcome"] == "dropped"}
