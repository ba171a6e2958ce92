"""A connector, a worker and a drift watch as processes, and an operator's commands on the quarantine."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from aiokafka import AIOKafkaProducer

from connectors.webhook.event_types import Requested
from connectors.webhook.records import RecordFactory
from pipeline import topics
from pipeline.audit.course import Request
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.events import Reason, UnusableBody
from tests.audit.support import Found, look
from tests.pipeline.system import System
from tests.support.kafka import drained, read_all
from tests.support.processes import ROOT

FACTORY = RecordFactory("/norce")


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    error: str


def order(reference: str, **more: Any) -> dict[str, Any]:
    """The body of an OrderReceivedEvent."""
    return {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": reference, "Source": "WEB", **more}


class Rig:
    """What a test has at hand."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder = system, folder
        self._operator: asyncio.subprocess.Process | None = None

    @property
    def servers(self) -> str:
        return self.system.servers

    async def post(self, event_type: str, body: bytes | Mapping[str, Any], **headers: str) -> None:
        """Post to the connector as Norce would, and see it taken."""
        stack = self.system.stack
        answer = await self.system.client.post(
            f"{stack.url('webhook')}/webhooks/norce/{event_type}",
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"x-norce-secret": stack.environment["NORCE_WEBHOOK_SECRETS"], **headers},
        )
        assert answer.status_code == 200, answer.text

    async def put_aside(self, event_type: str, bodies: Iterable[bytes], reason: Reason = Reason.WRONG_FIELDS) -> None:
        """Put bodies into the quarantine exactly as a connector did that refused them."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", linger_ms=20)
        await producer.start()
        try:
            for body in bodies:
                record = FACTORY.quarantined(
                    Requested((event_type,)), UnusableBody(reason, "as it was", "Source"), body
                )
                await producer.send(record.topic, record.value, timestamp_ms=record.timestamp, headers=record.headers)
            await producer.flush()
        finally:
            await producer.stop()

    async def command(self, *words: str) -> Done:
        """``norce-pipeline quarantine`` with these words; nobody is there to answer its questions."""
        if self._operator is None:
            self._operator = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.dead_letters.operator"),
                env={**self.system.stack.environment, "PYTHONPATH": str(ROOT), "USER": "operator"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 24,
            )
        assert self._operator.stdin is not None
        assert self._operator.stdout is not None
        self._operator.stdin.write(json.dumps(["quarantine", *words]).encode() + b"\n")
        return Done(*json.loads(await asyncio.wait_for(self._operator.stdout.readline(), 120)))

    async def json(self, *words: str, code: int = 0) -> Any:
        done = await self.command(*words, "--json")
        assert done.code == code, done
        return json.loads(done.out)

    async def close(self) -> None:
        if self._operator is not None and self._operator.stdin is not None:
            self._operator.stdin.close()
            await self._operator.wait()

    async def joined(self) -> None:
        """Wait until the worker is through with all events."""
        await drained(self.servers, self.system.stack.groups.worker, *EVENT_TOPICS, tries=600)

    async def events(self, event_id: str) -> list[Any]:
        """The records of an event."""
        return [each for each in await read_all(self.servers, *EVENT_TOPICS) if headers(each)["ce_id"] == event_id]

    async def size(self) -> int:
        """Records on the topics that a retry may write to."""
        return len(await read_all(self.servers, *EVENT_TOPICS, topics.QUARANTINE_RETRIES))

    async def timeline(self, key: str) -> list[str]:
        """The ids of the events of an order, as the newest enriched record has them."""
        record = (await self.system.enriched())[key]
        return [each["event_id"] for each in record["timeline"]]

    async def audit(self, request: Request | None = None) -> Found:
        return await asyncio.to_thread(look, self.system.stack, request or Request())


def headers(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


async def make(broker: Any, folder: Path, client: httpx.AsyncClient) -> Rig:
    """A rig without running processes; nothing is pushed, so it needs no sinks."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"default": {"connect": {"enabled": False}, "checkout": {"enabled": False}}}))
    settings = {"NORCE_WORKER_PUSH_POLICY_FILE": policy, "NORCE_LOG_LEVEL": "warning"}
    return Rig(await System.make(broker, folder, client, settings), folder)
