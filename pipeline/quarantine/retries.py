"""The record of what became of a body in quarantine that was tried again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class Outcome(StrEnum):
    """What a retry came to. What was retried once stays so: its event is on its topic."""

    RETRYING = "retrying"
    """Its event is about to be published. If this is the last word, the retry was cut short: repeat it."""
    RETRIED = "retried"
    """Every in-sync replica has its event."""
    STILL_REFUSED = "still_refused"
    """It fits no event model yet."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """Where the event is."""

    topic: Annotated[str, Meta(description="Event topic")]
    partition: Annotated[int, Meta(description="Its partition")]
    offset: Annotated[int, Meta(description="Its offset")]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a body still is no event."""

    reason: Annotated[str, Meta(description="Code of the reason, such as wrong_fields")]
    detail: Annotated[str, Meta(description="The reason for people")]
    where: Annotated[str, Meta(description="Place in the body; may be empty")]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A body in quarantine was tried again. The last record about a place in the quarantine stands."""

    command: Annotated[str, Meta(description="Id of the command; its records have the same one")]
    by: Annotated[str, Meta(description="Who gave the command")]
    partition: Annotated[int, Meta(description="Partition of the body in norce.quarantine, and of this record")]
    offset: Annotated[int, Meta(description="Its offset in norce.quarantine")]
    event_id: Annotated[str, Meta(description="Its ce_id, which its event keeps")]
    received_at: Annotated[int, Meta(description="When it was received, milliseconds since 1970")]
    event_type: Annotated[str, Meta(description="Event type that it was tried as; as it was asked for if refused")]
    outcome: Annotated[Outcome, Meta(description="What it came to")]
    event: Annotated[Published | None, Meta(description="Where its event is; null unless retried")]
    refusal: Annotated[Refusal | None, Meta(description="Why it is no event; null unless still refused")]
    at: Annotated[int, Meta(description="When it was tried, milliseconds since 1970")]


_DECODER = msgspec.json.Decoder(Retry)


def encode_retry(retry: Retry) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(retry)


def decode_retry(data: bytes | None) -> Retry:
    """What ``encode_retry`` wrote. Raises ``msgspec.MsgspecError``."""
    return _DECODER.decode(data or b"")
