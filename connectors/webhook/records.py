"""The Kafka records that a request becomes: CloudEvents 1.0 in Kafka's binary mode, the body as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import uuid_utils

from connectors.webhook.event_types import Requested
from pipeline.events import EventSpec, NorceEvent, Reason, UnusableBody, parse
from pipeline.events.envelope import TYPE_PREFIX
from pipeline.topics import QUARANTINE

QUARANTINED_TYPE = TYPE_PREFIX + "quarantined"

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """What is sent to Kafka. ``id`` is the CloudEvents id; ``timestamp`` is the receipt, milliseconds since 1970."""

    id: str
    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp: int


def new_id() -> str:
    """A UUIDv7: unique, and in the order of receipt for people who read topics."""
    return str(uuid_utils.uuid7())


def utc_now() -> datetime:
    return datetime.now(UTC)


class RecordFactory:
    """Makes records, each with an id and a receipt time of its own: Norce sends neither."""

    def __init__(
        self,
        source: str,
        mint: Callable[[], str] = new_id,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._source = source.encode()
        self._mint = mint
        self._now = now

    def accepted(
        self, requested: Requested, body: bytes, *, accept_unknown: bool, encodings: Iterable[str] = ()
    ) -> Record:
        """The record of what a request brings. ``encodings`` are its ``content-encoding`` headers.

        Raises:
            UnusableBody: it is no event.
        """
        spec = requested.resolve(accept_unknown)
        for encoding in encodings:
            if encoding.strip().lower() not in ("", "identity"):
                # Never unpacked, so there is nothing that could grow.
                raise UnusableBody(Reason.CONTENT_ENCODED, "the body is compressed", "content-encoding")
        return self.event(spec, parse(spec, body), body)

    def event(self, spec: EventSpec, event: NorceEvent, body: bytes) -> Record:
        """The record of an event, keyed by what it is about."""
        key = spec.partition_key(event).encode()
        return self._record(spec.topic, key, body, TYPE_PREFIX + spec.name, [("ce_partitionkey", key)])

    def quarantined(self, requested: Requested, error: UnusableBody, body: bytes) -> Record:
        """The record of a request that cannot be used, with the reason in its headers."""
        why = [
            ("norce_reason", error.reason.encode()),
            ("norce_detail", _cut(error.detail, 1024)),
            ("norce_where", _cut(error.where, 1024)),
            ("norce_event_type", _cut(str(requested), 200)),
        ]
        return self._record(QUARANTINE, None, body, QUARANTINED_TYPE, why)

    def _record(self, topic: str, key: bytes | None, body: bytes, event_type: str, more: Headers) -> Record:
        identity, receipt = self._mint(), self._now()
        time = receipt.isoformat(timespec="microseconds").replace("+00:00", "Z")
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", identity.encode()),
            ("ce_type", event_type.encode()),
            ("ce_source", self._source),
            ("ce_time", time.encode()),
            ("content-type", b"application/json"),
            *more,
        ]
        return Record(identity, topic, key, body, headers, int(receipt.timestamp() * 1000))


def _cut(text: str, size: int) -> bytes:
    """At most ``size`` bytes of UTF-8, with whole characters."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode()
