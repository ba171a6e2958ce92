"""The headers of records. Kafka headers are bytes; all of these are UTF-8 text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.commands import REPLAY_HEADER
from pipeline.events.envelope import ORIGIN_HEADER, RECONCILED, RETRIED_FROM_HEADER, TYPE_PREFIX
from pipeline.framing import CONTENT_TYPE, FRAMED_CONTENT_TYPE

Schema = dict[str, Any]

RECEIPT_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"

_CLOUD_EVENT: Mapping[str, Schema] = {
    "ce_specversion": {"const": "1.0", "description": "Version of CloudEvents"},
    "ce_id": {
        "type": "string",
        "minLength": 1,
        "description": "Id of this delivery, minted on receipt (UUIDv7); reconciled- and a UUIDv5 if reconciled",
    },
    "ce_source": {"type": "string", "minLength": 1, "description": "Which connector received it"},
    "ce_time": {
        "type": "string",
        "pattern": RECEIPT_TIME,
        "description": "When it was received, RFC 3339, UTC, six decimals. Norce sends no time of its own",
    },
}
_HISTORY: Mapping[str, Schema] = {
    ORIGIN_HEADER: {
        "type": "string",
        "description": f"Absent from what Norce sent; {RECONCILED} for an event that never came and was derived from "
        "what Commerce Query tells, so ce_time is when that was",
    },
    RETRIED_FROM_HEADER: {
        "type": "string",
        "pattern": r"^norce\.quarantine/\d+/\d+$",
        "description": "Absent from what was taken at once; topic/partition/offset of the body in quarantine that an "
        "operator retried. ce_id and ce_time are those it was received with; the same event may come twice",
    },
}
_JSON: Mapping[str, Schema] = {
    "content-type": {"const": CONTENT_TYPE, "description": "Media type of the value"},
}
_TRACE: Mapping[str, Schema] = {
    "traceparent": {
        "type": "string",
        "description": "W3C Trace Context: the span that sent the record. Absent unless the sender traces",
    },
}
"""What records on the way of an event may have besides."""

_FRAMED: Mapping[str, Schema] = {
    "content-type": {
        "enum": [CONTENT_TYPE, FRAMED_CONTENT_TYPE],
        "description": "Media type of the value; the second one in an installation with a schema registry",
    },
}


def json_headers(*, framed: bool = False) -> Schema:
    """Headers of every JSON record that the pipeline makes; ``framed`` if a schema's id may come before its value."""
    return _headers(_FRAMED if framed else _JSON)


def update_headers() -> Schema:
    """Headers of an update, which may say that it is to be sent once more."""
    forced = "Absent but in a forced replay: id of the command that wants it sent although Norce was told"
    return _with_optional(_headers(_FRAMED), {REPLAY_HEADER: {"type": "string", "description": forced}}, _TRACE)


def no_headers() -> Schema:
    """Headers of records that have none."""
    return _headers()


def event_headers(event_type: str) -> Schema:
    """Headers of an event: CloudEvents 1.0, Kafka's binary mode. ``ce_type`` tells the types of a topic apart."""
    schema = _headers(
        _CLOUD_EVENT,
        {"ce_type": {"const": TYPE_PREFIX + event_type, "description": "Norce's event type with a prefix"}},
        {"ce_partitionkey": {"type": "string", "description": "The record's key"}},
        _JSON,
    )
    return _with_optional(schema, _HISTORY, _TRACE)


def answer_headers(name: str) -> Schema:
    """Headers of a look-up's answer: those of an event, so that one reader reads both."""
    made = {
        "ce_id": {
            "type": "string",
            "minLength": 1,
            "description": "UUID made from kind, key and number of the answer",
        },
        "ce_source": {"type": "string", "minLength": 1, "description": "Says that it was looked up"},
        "ce_time": {**_CLOUD_EVENT["ce_time"], "description": "When Norce answered, RFC 3339, UTC, six decimals"},
        "ce_type": {"const": TYPE_PREFIX + name, "description": "Type of the answer with a prefix; no event type"},
    }
    return _headers(
        _CLOUD_EVENT, made, {"ce_partitionkey": {"type": "string", "description": "The record's key"}}, _JSON
    )


def quarantine_headers() -> Schema:
    """Headers of a body that could not be used."""
    schema = _headers(
        _CLOUD_EVENT,
        {"ce_type": {"const": TYPE_PREFIX + "quarantined", "description": "Says that this is no event"}},
        _JSON,
        {
            "norce_reason": {"type": "string", "minLength": 1, "description": "Code of the reason, such as not_json"},
            "norce_detail": {"type": "string", "description": "The reason for people, at most 1 KiB"},
            "norce_where": {"type": "string", "description": "Place in the body, at most 1 KiB; may be empty"},
            "norce_event_type": {"type": "string", "description": "Event type that was asked for, cut after 200 bytes"},
        },
    )
    return _with_optional(schema, _TRACE)


def _headers(*parts: Mapping[str, Schema]) -> Schema:
    """A schema of headers, all of them always there."""
    properties = {name: dict(schema) for part in parts for name, schema in part.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _with_optional(schema: Schema, *parts: Mapping[str, Schema]) -> Schema:
    """A schema with headers that may be there."""
    more = {name: dict(part) for optional in parts for name, part in optional.items()}
    return {**schema, "properties": {**schema["properties"], **more}}
