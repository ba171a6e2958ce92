"""Time as the clients see it, passed in so that tests need not wait."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the clients take time from, and how they let it pass."""

    def monotonic(self) -> float:
        """Seconds that never jump; for every wait, deadline and age."""
        ...

    def wall(self) -> float:
        """Seconds since 1970; only to read a date that Norce sent."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
