"""How much of an API is used at once, and for how long it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pipeline.settings import ReconcileSettings, SinkSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one API. Times in seconds.

    ``rate`` calls a second are evenly spaced and not sent in bursts; ``concurrency`` requests are in flight at most,
    repeats included in both. ``attempt_timeout`` covers one request to the last byte of its answer,
    ``deadline`` all attempts and the waits between them.
    """

    rate: float
    concurrency: int
    connect_timeout: float
    attempt_timeout: float
    deadline: float
    backoff_initial: float
    backoff_max: float
    breaker_failures: int
    breaker_reset: float

    @classmethod
    def of(cls, settings: SinkSettings | ReconcileSettings, *, rate: float | None = None) -> Self:
        """A process's limits; ``rate`` replaces its calls a second."""
        return cls(
            rate=settings.rate if rate is None else rate,
            concurrency=settings.concurrency,
            connect_timeout=settings.connect_timeout,
            attempt_timeout=settings.attempt_timeout,
            deadline=settings.deadline,
            backoff_initial=settings.backoff_initial,
            backoff_max=settings.backoff_max,
            breaker_failures=settings.breaker_failures,
            breaker_reset=settings.breaker_reset,
        )
