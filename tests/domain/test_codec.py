"""State as bytes: the same bytes for the same state, and a named error for everything else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Arrival, CorruptState, State, UnknownStateLayout, UnreadableState, decode, encode
from tests.domain.events import event_sequences, payment, received, state_of

STORED = (
    b'{"v":1,"facts":['
    b'[["OrderPaymentReceivedEvent","P1","ERP-1",null,null,"249.50","SEK"],[[1767225601000000,"id-2"]]],'
    b'[["OrderReceivedEvent","WEB"],[[1767225600000000,"id-1"],[1767225602000000,"id-3"]]]'
    b"]}"
)


def test_the_stored_layout_is_what_it_was() -> None:
    """If this fails, states in use can no longer be read: give the new layout a new version."""
    events = [
        Arrival("OrderReceivedEvent", received().body, "id-1", 1767225600000000),
        Arrival("OrderPaymentReceivedEvent", payment().body, "id-2", 1767225601000000),
        Arrival("OrderReceivedEvent", received().body, "id-3", 1767225602000000),
    ]
    assert encode(state_of(events)) == STORED
    assert decode(STORED) == state_of(events)


@given(event_sequences())
def test_a_state_reads_back(events: list[Arrival]) -> None:
    state = state_of(events)
    assert decode(encode(state)) == state
    assert encode(decode(encode(state))) == encode(state)


def test_the_empty_state_reads_back() -> None:
    assert decode(encode(State())) == State()


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", STORED[:-1], STORED[: len(STORED) // 2], b"\xff" + STORED, STORED + b"x", b'{"v":1}x',
     STORED.replace(b'"WEB"', b"7"), STORED.replace(b'"WEB"', b'"WEB","more"'), STORED.replace(b'"WEB"', b'"\xff"'),
     STORED.replace(b"OrderReceivedEvent", b"OrderLostEvent"), b'{"v":"1","facts":[]}', b'{"v":1}', b'{"facts":[]}',
     b'{"v":1,"facts":[[["OrderReceivedEvent","WEB"],[]]]}', b'{"v":1,"facts":[],"more":1}'],
)  # fmt: skip
def test_bytes_that_are_no_state_are_refused_as_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptState):
        decode(data)


def test_another_layout_is_refused_by_its_number() -> None:
    with pytest.raises(UnknownStateLayout, match="layout 2; this version reads layout 1"):
        decode(b'{"v":2,"facts":{"completely":"different"}}')


@given(st.binary(max_size=40))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode(data)


@given(st.integers(0, len(STORED) - 1), st.integers(0, 255))
def test_a_damaged_byte_is_refused_or_still_makes_a_state(position: int, byte: int) -> None:
    damaged = STORED[:position] + bytes([byte]) + STORED[position + 1 :]
    with suppress(UnreadableState):
        assert isinstance(decode(damaged), State)
