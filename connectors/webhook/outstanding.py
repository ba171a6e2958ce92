"""The records that Kafka has still to acknowledge, those included that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka.structs import RecordMetadata

Acknowledgement = asyncio.Future[RecordMetadata]


class Outstanding:
    """Knows how long records wait, by the given clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Acknowledgement, float] = {}  # in the order of sending
        self._last_success = clock()

    def __len__(self) -> int:
        return len(self._since)

    def add(self, acknowledgement: Acknowledgement) -> None:
        self._since[acknowledgement] = self._clock()

    def settle(self, acknowledgement: Acknowledgement) -> BaseException | None:
        """The record is acknowledged or given up; returns what it was given up for."""
        self._since.pop(acknowledgement, None)
        error = None if acknowledgement.cancelled() else acknowledgement.exception()
        if error is None:
            self._last_success = self._clock()
        return error

    @property
    def longest_wait(self) -> float:
        """Seconds that the oldest record has waited; 0 when none waits."""
        return self._clock() - self._oldest

    @property
    def silence(self) -> float:
        """Seconds in which records waited and not one was acknowledged; 0 when none waits."""
        return self._clock() - max(self._oldest, self._last_success) if self._since else 0.0

    @property
    def _oldest(self) -> float:
        return next(iter(self._since.values()), self._clock())
