"""What the Python receivers share: the secret, the headers and the producer, so that they keep what we keep."""

from __future__ import annotations

import hmac
import os
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

SECRET = os.environ["BENCH_SECRET"].encode()
Headers = list[tuple[str, bytes]]


def allowed(given: bytes) -> bool:
    """Whether the request carries the secret."""
    return hmac.compare_digest(given, SECRET)


def headers(event_type: str, key: bytes) -> Headers:
    """The CloudEvents headers of a record."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid.uuid4()).encode()),
        ("ce_type", b"io.norce." + event_type.encode()),
        ("ce_source", b"/norce"),
        ("ce_time", now.encode()),
        ("content-type", b"application/json"),
        ("ce_partitionkey", key),
    ]


def producer() -> AIOKafkaProducer:
    """With the guarantee that we give: every in-sync replica, and nothing twice."""
    return AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True
    )
