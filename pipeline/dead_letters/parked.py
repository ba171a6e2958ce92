"""What the worker keeps of a parked key, and how that lies in its table ``parked``.

``h{kind}|{key}`` is the key itself: the poison event, why it cannot be folded, and how many wait. Every event, the
poison first, has an entry of its own, ``w{number}|{kind}|{key}``, so that one more costs the same behind ten thousand
as behind none. ``l{topic}`` is the share of failures among the newest events of a source topic. The heads sort first.
"""

from __future__ import annotations

from typing import Self

import msgspec

HEAD, LIMIT, WAITING, BETWEEN = b"h", b"l", b"w", b"|"


class UnreadableParking(Exception):
    """An entry of the table ``parked`` that this version of the program cannot read, or that is missing.

    Stops the worker: going on would pass over events.
    """


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A record as it was read, with the names that a Kafka client gives its parts."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]

    def encode(self) -> bytes:
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Waiting:
        """Raises ``UnreadableParking``."""
        try:
            return _WAITING.decode(data)
        except msgspec.MsgspecError as error:
            raise UnreadableParking(f"an event that waits: {error}") from None


class Progress(msgspec.Struct, frozen=True):
    """How far a command has come that takes more than one step."""

    command: str
    """Its id."""
    drop_until: int
    """Number of the first event that is not to be dropped but folded."""


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True, tag_field="v", tag=1):
    """A key whose events wait. ``first`` is the number of the poison event, ``next`` that of the next one to come."""

    letter: str
    """Id of the poison event's dead letter."""
    kind: str
    key: str
    event_type: str
    event_id: str
    error: str
    reason: str
    trace: list[str]
    topic: str
    partition: int
    offset: int
    since: int
    """When the key was parked, milliseconds since 1970."""
    tries: int = 1
    """How often the poison event was tried."""
    first: int = 0
    next: int = 0
    seen: dict[str, int] = {}
    """Source topic to the highest offset that was taken in: what is read again after a crash waits already."""
    progress: Progress | None = None

    @property
    def waiting(self) -> int:
        """Events behind the poison one."""
        return self.next - self.first - 1

    def encode(self) -> bytes:
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises ``UnreadableParking``."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise UnreadableParking(f"a parked key: {error}") from None


_ENCODER = msgspec.msgpack.Encoder()
_WAITING = msgspec.msgpack.Decoder(Waiting)


def head_name(kind: str, key: str) -> bytes:
    """Where a parked key is kept."""
    return HEAD + _subject(kind, key)


def waiting_name(kind: str, key: str, number: int) -> bytes:
    """Where one of its events is kept."""
    return WAITING + b"%020d" % number + BETWEEN + _subject(kind, key)


def limit_name(topic: str) -> bytes:
    """Where the failures of a source topic are kept."""
    return LIMIT + topic.encode()


def waiting_of(name: bytes) -> tuple[int, str, str] | None:
    """Number, kind and key of an event that waits; ``None`` if the name is that of something else."""
    if not name.startswith(WAITING):
        return None
    number, kind, key = name[len(WAITING) :].split(BETWEEN, 2)
    return int(number), kind.decode(), key.decode()


def _subject(kind: str, key: str) -> bytes:
    return BETWEEN.join((kind.encode(), key.encode()))
