"""The records that Kafka has still to acknowledge, those included that nobody waits for any more."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable


class Outstanding:
    """Knows how many records wait, how long, and since when nothing was acknowledged, by the given clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}  # in the order of sending
        self._numbers = itertools.count()
        self._last_success = clock()

    def __len__(self) -> int:
        return len(self._since)

    def add(self) -> int:
        """A record is sent; returns its number."""
        number = next(self._numbers)
        self._since[number] = self._clock()
        return number

    def settle(self, number: int, *, stored: bool) -> None:
        """A record is acknowledged or given up."""
        self._since.pop(number, None)
        if stored:
            self._last_success = self._clock()

    @property
    def longest_wait(self) -> float:
        """Seconds that the oldest record has waited; 0 when none waits."""
        oldest = next(iter(self._since.values()), None)
        return 0.0 if oldest is None else self._clock() - oldest

    @property
    def silence(self) -> float:
        """Seconds in which records waited and not one was acknowledged; 0 when none waits."""
        oldest = next(iter(self._since.values()), None)
        return 0.0 if oldest is None else self._clock() - max(oldest, self._last_success)
