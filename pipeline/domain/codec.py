"""State as bytes, for the table and its changelog.

One JSON object, ``{"v":1,"facts":[[fact, receipts], ...]}``, where a fact is ``[event type, field, ...]`` and a receipt
``[microseconds, event id]``, and ``"answer":{"at":microseconds,"said":{...}}`` if there is one. Equal states have equal
bytes. ``v`` is the layout's version: a change that older or newer programs would misread gets a new number.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pipeline.domain.errors import CorruptState, UnknownStateLayout
from pipeline.domain.facts import AnyFact
from pipeline.domain.lookups import Answered
from pipeline.domain.state import Receipts, State

LAYOUT: Literal[1] = 1


class _Layout(msgspec.Struct):
    v: int


class _Stored(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    # No field but the answer has a default: half a state must not pass for an empty one.
    v: Literal[1]
    facts: tuple[tuple[AnyFact, Annotated[Receipts, msgspec.Meta(min_length=1)]], ...]
    answer: Answered | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Stored)
_LAYOUT_DECODER = msgspec.json.Decoder(_Layout)


def encode(state: State) -> bytes:
    """Deterministic bytes of a state."""
    return _ENCODER.encode(_Stored(LAYOUT, state.facts, state.answer))


def decode(data: bytes) -> State:
    """The state that ``encode`` wrote.

    Raises:
        UnknownStateLayout: a version of the program that uses another layout wrote it.
        CorruptState: it is not a state at all.
    """
    try:
        stored = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable(data) from None
    return State(stored.facts, stored.answer)


def _unreadable(data: bytes) -> CorruptState | UnknownStateLayout:
    try:
        layout = _LAYOUT_DECODER.decode(data).v
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return CorruptState(f"{len(data)} bytes that are no state")
    if layout == LAYOUT:
        return CorruptState(f"{len(data)} bytes that claim layout {LAYOUT} and do not fit it")
    return UnknownStateLayout(f"the state has layout {layout}; this version reads layout {LAYOUT}")
