"""How long the oldest refused delivery has before Norce gives up on it.

Norce repeats a delivery that was not answered 200 at fixed times after its first attempt, and gives it up after the
last of them. A delivery has no id, and one connector does not see what another one took, so single deliveries cannot be
followed. But the schedule says when each must have come back: of all moments at which a delivery may have been refused
for the first time, only those are open whose next attempt is not due yet. The oldest of them counts. It may be too old,
when nothing was refused at that very moment; it is too young only where other processes refused what this one did not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import structlog

log = structlog.get_logger(__name__)

LATENESS = 60.0
"""Seconds that an attempt of Norce may be late, or a tenth of the pause before it if that is more (assumed)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is known of refused deliveries at one moment, in seconds."""

    age: float | None
    """Since the oldest one that Norce will still repeat was refused for the first time; ``None`` if none is open."""
    left: float
    """Until Norce's last attempt for it; the whole schedule if none is open."""


class Outage:
    """Keeps the span of time in which deliveries were refused.

    Arguments:
        delays: seconds between Norce's attempts, the first one after the first attempt.
        clock: seconds, never set back.
    """

    def __init__(self, delays: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = (0.0, *accumulate(delays))
        self._clock = clock
        self._first: float | None = None
        self._last = 0.0
        self._given_up = False

    @property
    def horizon(self) -> float:
        """Seconds from the first attempt to the last."""
        return self._attempts[-1]

    @property
    def given_up(self) -> bool:
        """Whether refusals went on for so long that Norce may have given events up, since the process started."""
        return self._given_up

    def refused(self) -> None:
        """A delivery that Norce will repeat was refused just now."""
        now = self._clock()
        if self._first is None or self._open_age(now) is None:
            self._first = now
        self._last = now
        if not self._given_up and now - self._first >= self.horizon:
            self._given_up = True
            log.error("deliveries were refused for so long that norce may have given events up, reconcile them")

    def budget(self) -> Budget:
        age = self._open_age(self._clock())
        return Budget(age, self.horizon if age is None else max(0.0, self.horizon - age))

    def _open_age(self, now: float) -> float | None:
        """Age of the oldest moment of refusal whose next attempt is not due.

        A delivery that was ``age`` old at the last refusal is open if the schedule has no attempt between that age and
        the age it has now.
        """
        if self._first is None:
            return None
        span, since = self._last - self._first, now - self._last
        for before, after in reversed(list(pairwise(self._attempts))):
            latest = after + max(LATENESS, (after - before) / 10) - since
            oldest = min(span, after, latest)
            if oldest >= before:
                return oldest + since
        return None
