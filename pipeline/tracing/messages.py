"""What spans say of Kafka records, by OpenTelemetry's conventions for messaging and for CloudEvents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.trace import Span

SEND, PROCESS = "send", "process"

_CLOUD_EVENT: Mapping[str, str] = {"ce_id": "cloudevents.event_id", "ce_type": "cloudevents.event_type"}


def span_name(operation: str, topic: str) -> str:
    return f"{operation} {topic}"


def note_sent(span: Span, topic: str, key: bytes | None, headers: Iterable[tuple[str, bytes]]) -> None:
    """Say which record a span sends."""
    if span.is_recording():
        span.set_attributes(_record(SEND, topic, key, headers))


def note_stored(span: Span, partition: int, offset: int) -> None:
    """Say where Kafka put it."""
    if span.is_recording():
        span.set_attributes({"messaging.destination.partition.id": str(partition), "messaging.kafka.offset": offset})


def note_read(span: Span, record: Any, group: str, **more: str) -> None:
    """Say which record a span works on, for which consumer group; ``more`` is ours, such as how it ended."""
    if span.is_recording():
        span.set_attributes(
            {
                **_record(PROCESS, record.topic, record.key, record.headers),
                "messaging.consumer.group.name": group,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                **{f"norce.{name}": value for name, value in more.items()},
            }
        )


def _record(operation: str, topic: str, key: bytes | None, headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    found = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
    if key is not None:
        found["messaging.kafka.message.key"] = key.decode("utf-8", "replace")
    found |= {_CLOUD_EVENT[name]: value.decode("utf-8", "replace") for name, value in headers if name in _CLOUD_EVENT}
    return found
