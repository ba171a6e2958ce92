"""The records of the look-up topics."""

from __future__ import annotations

import uuid

from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.domain import Said, encode_answer
from pipeline.domain.ids import content_id
from pipeline.domain.times import rfc3339
from pipeline.engine import Outgoing
from pipeline.events.envelope import TYPE_PREFIX

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:norce-pipeline:lookup")
SOURCE = b"urn:norce-pipeline:lookup"


def looked_up(kind: str, key: str, said: Said, answered_at: int) -> Outgoing:
    """An answer about a thing, with the headers of an event. ``answered_at`` is in microseconds since 1970 UTC."""
    name = key.encode()
    event_id = content_id(_NAMESPACE, f"{kind}|{said.number}|{key}".encode())
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", SOURCE),
        ("ce_type", f"{TYPE_PREFIX}{type(said).__name__}".encode()),
        ("ce_time", rfc3339(answered_at).encode()),
        ("ce_partitionkey", name),
        *JSON_HEADERS,
    )
    return Outgoing(name, encode_answer(said), headers)
