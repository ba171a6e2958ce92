"""The record of what an operator's command did, to a dead letter or to a key that was taken through again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class How(StrEnum):
    """What a command did."""

    RELEASED = "released"
    """Its event, or the order's newest update, went its way."""
    DROPPED = "dropped"
    """It was given up on."""
    STILL_FAILING = "still_failing"
    """Its event was tried again and still cannot be folded; its key stays parked."""
    REPLAYED = "replayed"
    """A key was taken through again; no dead letter is concerned."""
    NOTHING = "nothing"
    """There was nothing left to do: the command came twice, or another one was first."""


class EventEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How one event ended that was parked, or folded again."""

    topic: Annotated[str, Meta(description="Topic it was read from")]
    partition: Annotated[int, Meta(description="Its partition")]
    offset: Annotated[int, Meta(description="Its offset")]
    event_type: Annotated[str, Meta(description="Norce's event type")]
    event_id: Annotated[str, Meta(description="Its ce_id")]
    outcome: Annotated[str, Meta(description="applied, duplicate, stale, dropped; failed: a replay could not fold it")]


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did. The last one of a command, once all of it is written, is ``final``."""

    letter: Annotated[str | None, Meta(description="Id of the dead letter; null where a key was replayed")]
    how: Annotated[How, Meta(description="What was done")]
    command: Annotated[str, Meta(description="Id of the command")]
    by: Annotated[str, Meta(description="Who gave the command")]
    reason: Annotated[str, Meta(description="Why, in the words of who gave it")]
    kind: Annotated[str | None, Meta(description="What the key is the key of; null where no key was parked")]
    events: Annotated[list[EventEnd], Meta(description="The events that ended by it, in their order")]
    then: Annotated[str | None, Meta(description="Id of the dead letter that the key is parked behind now, or null")]
    final: Annotated[bool, Meta(description="Whether the command is carried out")]
    updates: Annotated[list[str], Meta(description="Ids of the updates that a replay put on their way")] = []
    resolved_at: Annotated[int, Meta(description="When, milliseconds since 1970")]


_DECODER = msgspec.json.Decoder(Resolution)


def encode_resolution(resolution: Resolution) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(resolution)


def decode_resolution(data: bytes) -> Resolution:
    """What ``encode_resolution`` wrote. Raises ``msgspec.MsgspecError``."""
    return _DECODER.decode(data)
