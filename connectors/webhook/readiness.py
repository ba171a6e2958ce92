"""Whether the connector can take events right now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from connectors.webhook.publisher import Publisher

KEEP = 1.0
"""Seconds that a finding is passed on for: anyone may ask, and each look asks a broker."""


class Readiness:
    """Asks Kafka whether every topic can be written to, one question at a time."""

    def __init__(self, publisher: Publisher, clock: Callable[[], float] = time.monotonic) -> None:
        self._publisher = publisher
        self._clock = clock
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._found: list[str] = []
        self.stopping = False

    async def troubles(self) -> list[str]:
        """Why no events should be sent here; empty when they should."""
        if self.stopping:
            return ["stopping"]
        async with self._lock:
            if self._clock() - self._looked > KEEP:
                self._found = await self._publisher.troubles()
                self._looked = self._clock()
        return self._found
