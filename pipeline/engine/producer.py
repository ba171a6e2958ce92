"""Batches of records that are waited for, from an idempotent producer.

Answers three defects of plain Faust: changelog and output records were sent without waiting for the broker's
acknowledgement, a refusal was logged and the offset committed all the same, and every record cost a future, a lock
and often a request of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from faust.transport.drivers import aiokafka as driver

from pipeline.engine.errors import RecordTooLarge
from pipeline.outgoing import Outgoing

log = structlog.get_logger(__name__)

#: Bytes of one batch; well under the 1 MiB that brokers take by default.
MAX_BATCH_BYTES = 512 * 1024
#: Bytes of one produce request and so of one record.
MAX_REQUEST_BYTES = 1_000_000
#: Seconds between two tries of a batch the broker could not take just now.
RETRY_SECONDS = (0.1, 2.0)


class SliceProducer(driver.Producer):
    """Faust's producer, idempotent, with whole batches to one partition."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": MAX_BATCH_BYTES,
            "max_request_size": MAX_REQUEST_BYTES,
        }

    async def send_records(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """Send records to one partition, in order, and wait until every in-sync replica has them.

        A broker that is away or short of replicas is waited for: giving up here would lose what the records say.

        Returns:
            The offset of the last record.

        Raises:
            RecordTooLarge: before anything of the batch with that record is sent.
            KafkaError: when the broker refuses for good, for example for want of rights.
        """
        producer = self._ensure_producer()
        last = -1
        start = 0
        while start < len(records):
            last, start = await self._send_batch(producer, topic, partition, records, start)
        return last

    async def _send_batch(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Outgoing], start: int
    ) -> tuple[int, int]:
        wait, longest = RETRY_SECONDS
        while True:
            batch = producer.create_batch()
            end = start
            for record in records[start:]:
                size = len(record.key) + len(record.value or b"")
                if size > MAX_REQUEST_BYTES - 1024:
                    raise RecordTooLarge(topic, record.key, size, MAX_REQUEST_BYTES - 1024)
                if not batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)):
                    break
                end += 1
            batch.close()
            try:
                metadata = await (await producer.send_batch(batch, topic, partition=partition))
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                log.warning(
                    "batch not acknowledged, sending it again", topic=topic, partition=partition, error=repr(error)
                )
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                wait = min(wait * 2, longest)
                continue
            return int(metadata.offset) + (end - start) - 1, end
