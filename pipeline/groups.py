"""What the brokers know of a consumer group, asked at its coordinator.

Not by librdkafka: as of 2.16 it ends the process (an assertion in rdkafka_queue.h, or a fault) when the coordinator is
not to be had before the request's time is up, as with a cluster that has had no group yet (librdkafka issue 4605).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from pipeline import topics
from pipeline.connecting import BrokerUnreachable
from pipeline.settings import KafkaSettings

AGAIN_SECONDS = 0.1
"""Between two questions while there is no coordinator."""

T = TypeVar("T")


async def committed(
    kafka: KafkaSettings, group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """The committed offsets of a group; 0 where it has none.

    Raises:
        BrokerUnreachable, CredentialsRefused
        KafkaError: the brokers refuse to say.
    """
    wanted = list(partitions)

    async def ask(admin: AIOKafkaAdminClient) -> dict[TopicPartition, int]:
        found = await admin.list_consumer_group_offsets(group, partitions=wanted)
        if not found.keys() >= set(wanted):  # the client does not look at an error of the answer as a whole
            raise GroupCoordinatorNotAvailableError(f"no answer about every partition of {group}")
        return {each: max(found[each].offset, 0) for each in wanted}

    return await _asked(kafka, ask) if wanted else {}


async def wait_for_coordinator(kafka: KafkaSettings, group: str) -> None:
    """Return when a group has one: what aiokafka has no call for, librdkafka can be asked then.

    Raises:
        BrokerUnreachable, CredentialsRefused
        GroupAuthorizationFailedError: this process may not even see the group.
        KafkaError: the brokers refuse to say.
    """
    await _asked(kafka, lambda admin: admin.find_coordinator(group))


async def _asked(kafka: KafkaSettings, ask: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
    """The answer, however often it takes until there is a coordinator, in the time of one request."""
    deadline = time.monotonic() + kafka.request_timeout
    async with topics.admin_client(kafka) as admin:
        while True:
            try:
                return await ask(admin)
            except KafkaError as error:
                if not error.retriable:
                    raise
                if time.monotonic() >= deadline:
                    raise BrokerUnreachable(kafka.bootstrap_servers, error) from error
            await asyncio.sleep(AGAIN_SECONDS)
