"""Commands of operators to the workers, on a topic with the same partitions as the tables.

A command goes to the partition whose state it is about, so the worker that owns that state carries it out, between
two slices of events. It names what it is about by an id that is gone once it is carried out, so a command that is read
twice does nothing the second time. A further kind of command is one more class in ``Command``.
"""

from __future__ import annotations

import msgspec


class UnreadableCommand(Exception):
    """Bytes that are no command, or one that only a newer version of the program knows."""


class _Base(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    id: str
    by: str
    """Who gave it."""
    reason: str = ""
    """Why."""


class Release(_Base, frozen=True, kw_only=True, tag="release"):
    """Fold what is parked of a key again, in order, while ``letter`` is what it is parked behind."""

    letter: str
    kind: str
    key: str


class Drop(_Base, frozen=True, kw_only=True, tag="drop"):
    """Give up on a dead letter. If it parks a key, the rest of the key is released; with ``all`` it is given up too.

    ``kind`` is ``None`` for a letter that parks nothing.
    """

    letter: str
    kind: str | None
    key: str
    all: bool = False


class Resend(_Base, frozen=True, kw_only=True, tag="resend"):
    """Tell ``target`` (``connect`` or ``checkout``) the newest state of an order again."""

    letter: str
    key: str
    target: str


Command = Release | Drop | Resend

_DECODER: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> bytes:
    """The JSON of a command."""
    return msgspec.json.encode(command)


def decode_command(data: bytes | None) -> Command:
    """The command that ``encode_command`` wrote.

    Raises:
        UnreadableCommand
    """
    try:
        return _DECODER.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableCommand(str(error)) from None
