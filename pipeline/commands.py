"""Commands of operators to the workers, on a topic with the same partitions as the tables.

A command goes to the partition whose state it is about, so the worker that owns that state carries it out, between
two slices of events. It names what it is about by an id that is gone once it is carried out, so a command that is read
twice does nothing the second time. A further kind of command is one more class in ``Command``.
"""

from __future__ import annotations

import msgspec

from pipeline.dead_letters.parked import Waiting

REPLAY_HEADER = "norce_replay"
"""Header of an update that is to be sent although Norce was told the same: id of the command that asked for it."""


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


class Replay(_Base, frozen=True, kw_only=True, tag="replay"):
    """Take a key through again: fold what its state lacks, and make what follows from the state as it is now.

    Carried out twice it changes nothing: what is folded already is folded no second time, and a sink sends nothing that
    Norce was told, not even by ``force``, if it was told by this very command.
    """

    kind: str
    key: str
    events: list[Waiting] = []
    """Events to fold, as they lie on their topics, in the partition of the command."""
    targets: list[str] = []
    """Whom to tell the newest state of an order: ``connect``, ``checkout``."""
    record: bool = False
    """Whether to publish the enriched record again."""
    force: bool = False
    """Whether to tell Norce even what it was told before."""


Command = Release | Drop | Resend | Replay

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
