"""The headers of an event's record: CloudEvents 1.0 in Kafka's binary mode.

Norce sends neither an id nor a time with an event, so both are minted on arrival and travel beside the untouched body.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TYPE_PREFIX = "io.norce."
"""What Norce's event type is prefixed with in ``ce_type``."""

ORIGIN_HEADER = "norce_origin"
"""Header of an event that Norce did not send: where it comes from. What Norce sent does not have it."""

RECONCILED = "reconciled"
"""The origin of an event that never came and was derived from what Commerce Query tells; its id begins with it too."""

RETRIED_FROM_HEADER = "norce_retried_from"
"""Header of an event whose body was in quarantine first: ``topic/partition/offset`` of its entry there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UnreadableEnvelope(ValueError):
    """The headers do not say what the record is: somebody else than the connector wrote it, or they were lost."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an event's headers say. ``received_at`` is in microseconds since 1970-01-01 UTC."""

    event_type: str
    event_id: str
    received_at: int


def read_envelope(headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """The envelope of a record on an event topic.

    Raises:
        UnreadableEnvelope: naming the header that is missing or wrong.
    """
    found = dict(headers)
    event_type = _text(found, "ce_type")
    if not event_type.startswith(TYPE_PREFIX):
        raise UnreadableEnvelope(f"ce_type does not begin with {TYPE_PREFIX}")
    try:
        received = datetime.fromisoformat(_text(found, "ce_time"))
        microseconds = (received - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError) as error:  # TypeError: a time without an offset
        raise UnreadableEnvelope("ce_time is not a time with an offset") from error
    return Envelope(event_type.removeprefix(TYPE_PREFIX), _text(found, "ce_id"), microseconds)


def _text(headers: dict[str, bytes], name: str) -> str:
    try:
        return headers[name].decode()
    except KeyError:
        raise UnreadableEnvelope(f"{name} is missing") from None
    except UnicodeDecodeError:
        raise UnreadableEnvelope(f"{name} is not UTF-8") from None
