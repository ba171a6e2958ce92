"""The shapes of records that the code makes as plain objects. Tests hold each to what is really made.

Records of the domain are structs and need no second description.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

Content = str | dict[str, str] | None
"""Text, or ``{"base64": ...}`` for bytes that are not UTF-8."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The record that could not be joined or delivered."""

    topic: Annotated[str, Meta(description="Topic it was read from")]
    partition: Annotated[int, Meta(description="Its partition")]
    offset: Annotated[int, Meta(description="Its offset")]
    timestamp: Annotated[int, Meta(description="Its timestamp, milliseconds since 1970")]
    headers: Annotated[
        dict[str, Content], Meta(description='Its headers; {"base64": ...} stands for bytes that are not UTF-8')
    ]
    key: Annotated[Content, Meta(description='Its key; {"base64": ...} stands for bytes that are not UTF-8')]
    value: Annotated[
        Content, Meta(description='Its value; {"base64": ...} stands for bytes that are not UTF-8; null over 128 KiB')
    ]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last call to Norce, and what came back."""

    operation: Annotated[str, Meta(description="What was called, such as SendOrderStatus")]
    method: Annotated[str, Meta(description="HTTP method")]
    url: Annotated[str, Meta(description="Address, without secrets")]
    request: Annotated[Any, Meta(description="Body that was sent, as JSON; null if there was none")]
    status: Annotated[int | None, Meta(description="HTTP status, null if there was no complete answer")]
    answer: Annotated[str, Meta(description="Text of the answer, at most 2 KiB")]
    reason: Annotated[str, Meta(description="What was wrong with the answer, or why there was none")]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be joined, or an update that Norce refused. An error may add fields of its own.

    A letter that is written again, after a crash or because its event was tried again, has the same id.
    """

    id: Annotated[str | UnsetType, Meta(description="UUID made from the stage and the record that this is about")] = (
        UNSET
    )
    reason: Annotated[str, Meta(description="What is wrong, for people")]
    error: Annotated[str, Meta(description="Name of the error")]
    stage: Annotated[str, Meta(description="Where it happened, such as join, connect or checkout")]
    outcome: Annotated[str | UnsetType, Meta(description="Verdict of the Norce client; for refused updates only")] = (
        UNSET
    )
    attempt: Annotated[
        Attempt | UnsetType | None, Meta(description="The last call to Norce; for refused updates only")
    ] = UNSET
    kind: Annotated[
        str | UnsetType, Meta(description="What the key is the key of, such as order; only if its events are parked")
    ] = UNSET
    event_type: Annotated[str | UnsetType, Meta(description="Norce's event type; for events only")] = UNSET
    trace: Annotated[
        list[str] | UnsetType, Meta(description="Where the error came from, innermost last; for parked events only")
    ] = UNSET
    source: Annotated[Source, Meta(description="The record that this is about")]
    died_at: Annotated[int, Meta(description="When it was put aside, milliseconds since 1970")]


Shape = str | list[Any] | dict[str, Any]


class Documented(msgspec.Struct, frozen=True, kw_only=True):
    """What the event model says of a field."""

    types: Annotated[list[str], Meta(description="JSON types that the model takes, sorted")]
    required: Annotated[bool, Meta(description="Whether the model wants it always there")]


class DriftSource(msgspec.Struct, frozen=True, kw_only=True):
    """The record in which a shape was seen first."""

    topic: Annotated[str, Meta(description="Event topic, or the quarantine")]
    partition: Annotated[int, Meta(description="Its partition")]
    offset: Annotated[int, Meta(description="Its offset")]
    event_id: Annotated[str, Meta(description="Its ce_id")]


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """A field that Norce sends in another shape than is documented or has stopped to send, or an event type that the
    catalogue does not have. It holds no value."""

    id: Annotated[str, Meta(description="UUID made from the key")]
    event_type: Annotated[str, Meta(description="Norce's event type; * for a name that may be anything")]
    kind: Annotated[str, Meta(description="added, retyped, missing, refused, stopped, unknown_type or too_many")]
    field: Annotated[str, Meta(description="Norce's name of the field; * for a name that may be somebody's data")]
    documented: Annotated[Documented | None, Meta(description="What the model says of it, null if it has none")]
    observed: Annotated[
        Shape | None,
        Meta(description="Shape of its value: a JSON type, an object of shapes or a list; null if absent"),
    ]
    rule: Annotated[str | None, Meta(description="Rule of the model that a value broke; for refused ones only")]
    suggestion: Annotated[str, Meta(description="Which change of the model would take it in")]
    example: Annotated[Shape, Meta(description="Shape of the whole body: names and types, never a value")]
    quarantined: Annotated[bool, Meta(description="Whether the body was not taken as an event")]
    first_seen_at: Annotated[str, Meta(description="Receipt of the first such body; RFC 3339, UTC, six decimals")]
    source: Annotated[DriftSource, Meta(description="The first such body")]


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A data key that a private record is locked with."""

    name: Annotated[str, Meta(description="Key of the data key's record: ClientId and pseudonym")]
    key_id: Annotated[str, Meta(description="Which of the data keys that were kept under the name, 16 hex digits")]


class PrivateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The personal values of an order, sealed: all of its locks together open it."""

    locks: Annotated[list[Lock], Meta(description="The data keys, sorted by name; without any one it stays closed")]
    nonce: Annotated[str, Meta(description="Nonce of AES-256-GCM, 12 bytes, base64")]
    ciphertext: Annotated[str, Meta(description="JSON of the values by attribute, AES-256-GCM with its tag, base64")]


class PublishedMark(msgspec.Struct, frozen=True, kw_only=True):
    """With which keys the pseudonyms of a partition were published; its key is published."""

    keys: Annotated[list[str], Meta(description="Ids of pseudonym keys, the one in use first")]
    after: Annotated[str | None, Meta(description="Order up to which it is done, null if it is done")]


class WrappedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The data key of a person, wrapped. No record: the person is forgotten."""

    id: Annotated[str, Meta(description="Tells it from a later data key under the same name, 16 hex digits")]
    kek: Annotated[str, Meta(description="Id of the key-encryption key")]
    key: Annotated[str, Meta(description="Nonce, data key and tag of AES-256-GCM, base64")]


class KeyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Tells whether a key is the one that was first used under its id."""

    check: Annotated[str, Meta(description="128 bits of an HMAC-SHA256 under the key, 32 hex digits")]


class ForgetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to destroy data keys, or with the key tick nothing but a sign of life."""

    names: Annotated[
        list[str] | UnsetType, Meta(description="Keys of the data keys' records, sorted; absent in a tick")
    ] = UNSET


class Buyers(msgspec.Struct, frozen=True, kw_only=True):
    """Who an order's events name, as pseudonyms: equal for the same person within one client."""

    id: Annotated[str, Meta(description="UUID made from the key and the content")]
    client_id: Annotated[int, Meta(description="Norce ClientId, the tenant")]
    email: Annotated[list[str], Meta(description="Pseudonyms of e-mail addresses, one per key in use, sorted")]
    phone: Annotated[list[str], Meta(description="Pseudonyms of phone numbers, one per key in use, sorted")]
