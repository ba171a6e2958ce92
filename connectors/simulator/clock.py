"""Time as the simulator sees it: the machine's, or one that jumps from one wake-up to the next."""

import asyncio
import heapq
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, and a way to wait for them."""

    def now(self) -> float:
        """Seconds since a moment that only this clock knows."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less lets others run once."""
        ...

    def busy(self) -> AbstractContextManager[None]:
        """Mark work that takes real time, such as a call over a socket: a virtual clock stands still meanwhile."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def busy(self) -> AbstractContextManager[None]:
        return nullcontext()


class VirtualClock:
    """A clock that starts at 0 and jumps to the next wake-up as soon as nothing is busy.

    Twenty-two hours pass in the time their work takes, and every wake-up happens at exactly its second.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._busy = 0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._turn_is_due = False

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass while nobody sleeps past it, as for a token to expire."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        self._take_turn_soon()
        await sleeper

    @contextmanager
    def busy(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._take_turn_soon()

    def _take_turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            asyncio.get_running_loop().call_soon(self._wake_the_next)

    def _wake_the_next(self) -> None:
        self._turn_is_due = False
        while self._sleepers and self._sleepers[0][2].done():  # cancelled
            heapq.heappop(self._sleepers)
        if self._busy or not self._sleepers:
            return
        wake_up, _, sleeper = heapq.heappop(self._sleepers)
        self._now = max(self._now, wake_up)
        sleeper.set_result(None)
        self._take_turn_soon()  # the one that wakes runs first: its step is already in the loop's queue
