"""What was called for one update and what came back, as it is kept of every attempt, good or bad."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

FIRST = 5
"""Attempts kept of the beginning."""

LAST = 15
"""Attempts kept of the end. An outage may mean thousands between."""


class MadeCall(NamedTuple):
    """One attempt.

    ``at`` is when it began, seconds since 1970, and ``seconds`` is how long it took. ``status`` is None without a
    complete answer. ``reason`` says why it was no success, and is empty for one that was. ``answer`` is the beginning
    of an answer that was none, unmasked; a good one is not kept, because it may hold a buyer's data.
    """

    at: float
    api: str
    operation: str
    status: int | None
    reason: str
    answer: str
    seconds: float


class CallLog:
    """The attempts for one update at all APIs, in the order in which they ended: the first ones and the last ones."""

    __slots__ = ("_first", "_last", "made")

    def __init__(self) -> None:
        self.made = 0
        """How many attempts there were."""
        self._first: list[MadeCall] = []
        self._last: deque[MadeCall] = deque(maxlen=LAST)

    def add(self, call: MadeCall) -> None:
        """Note an attempt that ended."""
        self.made += 1
        (self._first if self.made <= FIRST else self._last).append(call)

    def __iter__(self) -> Iterator[MadeCall]:
        yield from self._first
        yield from self._last

    @property
    def left_out(self) -> int:
        """How many are not kept; they come after the first ``FIRST``."""
        return self.made - len(self._first) - len(self._last)
