"""Asking a broker what it knows of its cluster. An open port is no answer: it opens before the node can serve."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

_REQUEST_TIMEOUT_MS = 2000
_POLL = 0.05  # seconds


async def until(answer: Callable[[], Awaitable[bool]], patience: float) -> bool:
    """Ask until the answer is yes, for so many seconds; says whether it was.

    A question is never cut off: aiokafka leaves a connection open then, or takes the end of its own task for it and
    goes on. It has a time limit of its own.
    """
    deadline = time.monotonic() + patience
    while not await answer():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


async def listed_brokers(address: str) -> frozenset[int]:
    """The node ids that the broker at ``address`` (host:port) lists; empty while it does not answer."""
    if not await _listens(address):  # aiokafka logs an error for each refused connection
        return frozenset()
    try:
        async with _admin(address) as admin:
            description = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return frozenset()
    return frozenset(int(broker["node_id"]) for broker in description["brokers"])


async def is_fully_replicated(address: str) -> bool:
    """Whether every partition of the cluster has all its replicas in sync."""
    try:
        async with _admin(address) as admin:
            topics = await admin.describe_topics()
    except (KafkaError, OSError, TimeoutError):
        return False
    return all(
        set(partition["isr"]) == set(partition["replicas"]) for topic in topics for partition in topic["partitions"]
    )


@asynccontextmanager
async def _admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True
