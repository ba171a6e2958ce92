"""When an optional field counts as no longer sent."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from pipeline.drift.windows import Window, WindowRule, decode_window, encode_window

RULE = WindowRule(before=10, run=4, share=0.8)


def stops(bodies: Iterable[bool], window: Window | None = None, first: int = 0) -> list[int]:
    """The offsets at which the field counts as stopped."""
    window = window or Window()
    return [
        offset
        for offset, present in enumerate(bodies, first)
        if window.take(RULE, offset, ["Email"], frozenset(["Email"] if present else []))
    ]


def test_a_field_that_nearly_every_body_had_has_stopped_after_a_run_without_it() -> None:
    assert stops([True] * 10 + [False] * 3) == []
    assert stops([True] * 10 + [False] * 4)[0] == 13
    assert stops([True] * 8 + [False, True] + [False] * 4)[0] == 13


def test_one_body_with_the_field_ends_the_run() -> None:
    assert stops([True] * 10 + [False] * 3 + [True] + [False] * 3) == []


def test_a_field_that_comes_now_and_then_never_stops() -> None:
    assert stops(([True] * 2 + [False] * 3) * 10 + [False] * 30) == []


def test_too_few_bodies_say_nothing() -> None:
    assert stops([True] * 5 + [False] * 8) == []


@given(st.lists(st.booleans(), max_size=60))
def test_the_window_is_the_rule_over_the_newest_bodies(bodies: list[bool]) -> None:
    expected = [
        end - 1
        for end in range(RULE.size, len(bodies) + 1)
        if not any(bodies[end - 4 : end]) and sum(bodies[end - 14 : end - 4]) >= 8
    ]
    assert stops(bodies) == expected


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_bodies_that_are_read_again_are_counted_once(bodies: list[bool], cut: int, back: int) -> None:
    """As after a crash: stored at some offset, read on from an earlier one."""
    window = Window()
    stops(bodies[:cut], window)
    window = decode_window(encode_window(window))
    start = max(0, min(cut, len(bodies)) - back)
    stops(bodies[start:], window, first=start)
    whole = Window()
    stops(bodies, whole)
    assert window == whole
