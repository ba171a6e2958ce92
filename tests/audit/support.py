"""A system that has run, topics to plant wrong records on, and audits of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from pipeline import topics
from pipeline.audit.course import Request, audit
from pipeline.audit.report import Problem
from pipeline.audit.snapshot import SOURCES
from pipeline.partitions import home
from pipeline.run.stack import Stack
from tests.support.kafka import read_all, until

Rows = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Found:
    """What an audit found."""

    problems: list[Problem]
    waiting: list[Problem]
    events: Rows
    """Event type and outcome to how many."""
    updates: Rows
    """Target and outcome to how many."""


@dataclass
class Audited:
    """The stopped system, and what its audits have named so far."""

    stack: Stack
    known: set[Problem] = field(default_factory=set)

    @property
    def servers(self) -> str:
        return self.stack.kafka.bootstrap_servers

    async def audit(self, request: Request | None = None) -> Found:
        return await asyncio.to_thread(look, self.stack, request or Request())

    async def news(self) -> dict[str, str]:
        """What is named that was not named before: id to what is wrong."""
        found = set((await self.audit()).problems)
        new = found - self.known
        self.known |= found
        return {problem.id: problem.problem for problem in new}

    async def plant(
        self, topic: str, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]] | None = None
    ) -> int:
        """Write a record to the partition of its key; returns its offset."""
        async with AIOKafkaProducer(bootstrap_servers=self.servers, acks="all") as producer:
            partition = home(key, self.stack.kafka.partitions)
            return int((await producer.send_and_wait(topic, value, key, partition, headers=headers)).offset)

    async def plant_event(self, event_type: str, key: str, body: Mapping[str, Any], event_id: str, topic: str) -> int:
        received = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        headers = [
            ("ce_id", event_id.encode()),
            ("ce_type", f"io.norce.{event_type}".encode()),
            ("ce_time", received.encode()),
        ]
        return await self.plant(topic, key.encode(), json.dumps(body).encode(), headers)

    async def say(self, writer: str, topic: str, key: bytes, offset: int, outcome: str) -> None:
        """Add to the ledger how a record ended."""
        partition = home(key, self.stack.kafka.partitions)
        entry = {"writer": writer, "topic": topic, "partition": partition, "outcomes": {outcome: [[offset, offset]]}}
        async with AIOKafkaProducer(bootstrap_servers=self.servers, acks="all") as producer:
            await producer.send_and_wait(topics.LEDGER, json.dumps(entry).encode(), topic.encode(), partition)

    async def commit_everything(self) -> None:
        """Let the groups have committed all there is, as if they had worked on it."""
        groups = self.stack.groups
        for group, names in (
            (groups.worker, SOURCES),
            (groups.connect, (topics.UPDATES,)),
            (groups.checkout, (topics.UPDATES,)),
        ):
            async with AIOKafkaConsumer(
                bootstrap_servers=self.servers, group_id=group, enable_auto_commit=False
            ) as consumer:
                places = [
                    TopicPartition(name, number) for name in names for number in range(self.stack.kafka.partitions)
                ]
                consumer.assign(places)
                ends = await consumer.end_offsets(places)
                offsets = {place: OffsetAndMetadata(end, "") for place, end in ends.items() if end}
                await until(lambda: _is_committed(consumer, offsets), bool, tries=900)  # noqa: B023

    async def record(self, topic: str, good: Callable[[Any], bool] = lambda record: True) -> Any:
        """The last record of a topic that is as it should be."""
        return [record for record in await read_all(self.servers, topic) if good(record)][-1]


async def _is_committed(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
    """Whether the group let them be committed: not before the session of its last static member has ended."""
    try:
        await consumer.commit(offsets)
    except CommitFailedError:
        return False
    return True


def look(stack: Stack, request: Request) -> Found:
    """Audit a system."""
    with audit(stack.kafka, stack.groups, request) as report:
        return Found(
            list(report.problems()), list(report.waiting()), _rows(report.events.counts), _rows(report.updates.counts)
        )


def _rows(counts: Mapping[tuple[str, int], Mapping[str, int]]) -> Rows:
    rows: dict[tuple[str, str], int] = {}
    for (about, _), ended in counts.items():
        for outcome, count in ended.items():
            if count:
                rows[about, str(outcome)] = rows.get((about, str(outcome)), 0) + count
    return rows
