"""The cluster that librdkafka carries inside: no Java, no disk, and much less than Kafka."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer

from pipeline.broker.errors import BrokerUnavailable

_TIMEOUT = 10.0  # seconds


class InMemoryCluster:
    """One broker inside this process; it is gone with the object."""

    kind = "in-memory"
    limits: str | None = (
        "The in-memory broker shows the way of an event and no more: one worker only, no compaction, topics as they "
        "come with 4 partitions, and nothing survives a restart."
    )
    topic_partitions: int | None = 4
    replicas = 1

    def __init__(self) -> None:
        self._owner: Producer | None = None
        self._bootstrap_servers = ""

    @property
    def bootstrap_servers(self) -> str:
        """The broker as host:port."""
        return self._bootstrap_servers

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the broker.

        Raises:
            BrokerUnavailable: it does not answer.
        """
        self._owner = Producer({"test.mock.num.brokers": 1, "log_level": 2})
        try:
            metadata = await asyncio.to_thread(self._owner.list_topics, timeout=_TIMEOUT)
        except KafkaException as error:
            raise BrokerUnavailable(f"the in-memory broker does not answer: {error}") from error
        self._bootstrap_servers = ",".join(f"{b.host}:{b.port}" for b in metadata.brokers.values())

    async def close(self) -> None:
        """End the broker; the librdkafka producer that owns it takes it along."""
        self._owner = None
