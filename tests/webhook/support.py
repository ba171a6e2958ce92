"""A connector as a process, what it put on Kafka, and requests that no HTTP client would send."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from pipeline.broker.ports import free_ports
from pipeline.events import TOPICS
from pipeline.settings import KafkaSettings
from pipeline.topics import QUARANTINE
from tests.support.processes import Process

SECRET = "first-secret"
OTHER_SECRET = "second-secret"
PROGRAM = Path(__file__).with_name("program.py")
ALL_TOPICS = (*TOPICS, QUARANTINE)

PARTITIONS = 2

NORCE_TIMEOUT = 5.0
"""Seconds after which Norce hangs up (Norce docs)."""


def kafka_settings(bootstrap_servers: str, replicas: int = 1) -> KafkaSettings:
    return KafkaSettings.model_validate(
        {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "partitions": PARTITIONS,
            "replication_factor": replicas,
            "min_insync_replicas": max(1, replicas - 1),
        }
    )


def order(reference: str, **more: Any) -> bytes:
    """The body of an OrderReceivedEvent."""
    body = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": reference, "Source": "WEB", **more}
    return json.dumps(body).encode()


class Connector:
    """A running connector. Settings are environment variables without the prefix ``NORCE_WEBHOOK_`` in lower case."""

    def __init__(
        self, bootstrap_servers: str, folder: Path, verify: ssl.SSLContext | bool = True, **settings: str
    ) -> None:
        (self.port,) = free_ports(1)
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "NORCE_WEBHOOK_HOST": "127.0.0.1",
            "NORCE_WEBHOOK_PORT": str(self.port),
            "NORCE_WEBHOOK_SECRETS": f"{SECRET},{OTHER_SECRET}",
            "NORCE_LOG_LEVEL": "debug",
            **{_variable(name): value for name, value in settings.items()},
        }
        self.verify = verify
        self.process = Process(str(PROGRAM), log=folder / "connector.log", environment=self.environment)

    @property
    def url(self) -> str:
        scheme = "https" if "NORCE_WEBHOOK_TLS_CERT_FILE" in self.environment else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.running:
            self.process.kill()

    def start(self) -> None:
        """Start it, again too, and wait until it answers."""
        self.process.start()
        self._until(lambda: self.get("/livez").status_code == 200)

    def until_ready(self) -> None:
        self._until(lambda: self.get("/readyz").status_code == 200)

    async def until(self, metric: str, good: Callable[[float], bool]) -> None:
        """Wait until a metric has a value that is good."""
        await asyncio.to_thread(self._until, lambda: good(self.metric(metric)))

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10, verify=self.verify)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series with these labels."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    @property
    def memory(self) -> int:
        """Resident memory, bytes."""
        return int(self.metric("process_resident_memory_bytes"))

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client that sends the secret and hangs up when Norce would."""
        headers = {"x-norce-secret": SECRET, "content-type": "application/json"}
        defaults = {"headers": headers, "timeout": NORCE_TIMEOUT, "verify": self.verify}
        return httpx.AsyncClient(base_url=self.url, **{**defaults, **options})

    async def post(
        self, body: bytes, path: str = "/webhooks/norce/OrderReceivedEvent", **options: Any
    ) -> httpx.Response:
        async with self.client() as client:
            return await client.post(path, content=body, **options)

    def _until(self, good: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if good():
                    return
            except httpx.TransportError:
                assert self.process.running, self.process.output[-4000:]
            assert time.monotonic() < end, self.process.output[-4000:]
            time.sleep(0.05)


def _variable(name: str) -> str:
    return (
        f"NORCE_{name.upper()}"
        if name.startswith(("kafka_", "log_", "secrets_dir"))
        else f"NORCE_WEBHOOK_{name.upper()}"
    )


class Tail:
    """The records that come after now."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.records: list[Any] = []

    async def until(self, good: Callable[[list[Any]], bool]) -> list[Any]:
        """All records so far, as soon as they are good; fails when nothing more comes."""
        async with asyncio.timeout(30):
            while not good(self.records):
                await self._fetch(200)
        return self.records

    async def values(self, *expected: bytes) -> list[Any]:
        """The records, as soon as all the expected values are among them."""
        return await self.until(lambda records: set(expected) <= {record.value for record in records})

    async def to_the_end(self) -> list[Any]:
        """All records up to the end that the topics have now."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self._fetch(200)
        return self.records

    async def _fetch(self, milliseconds: int) -> None:
        for batch in (await self._consumer.getmany(timeout_ms=milliseconds)).values():
            self.records.extend(batch)


@asynccontextmanager
async def tail(bootstrap_servers: str, *topics: str) -> AsyncIterator[Tail]:
    """Follow topics from their present end on; all the connector's topics when none is named."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(name, number) for name in topics or ALL_TOPICS for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end()
        for partition in partitions:
            await consumer.position(partition)
        yield Tail(consumer)
    finally:
        await consumer.stop()


def headers_of(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


class Raw:
    """A connection of its own that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with suppress(ConnectionError):  # refused while it was still coming: the answer says why
            await self._writer.drain()

    async def status(self) -> int:
        """The status of the answer."""
        line = await self._reader.readline()
        return int(line.split()[1])

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        return await self._reader.read()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def raw(port: int, data: bytes) -> AsyncIterator[Raw]:
    """Connect and send; the connection stays open for the length of the block."""
    connection = Raw(*await asyncio.open_connection("127.0.0.1", port))
    try:
        await connection.send(data)
        yield connection
    finally:
        await connection.close()


def head(path: str = "/webhooks/norce/OrderReceivedEvent", secret: str = SECRET, **headers: str | int) -> bytes:
    """The head of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "host: test", f"x-norce-secret: {secret}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
