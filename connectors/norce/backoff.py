"""How long to wait before trying again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX = 300.0
"""Most seconds a Retry-After is believed: a wrong one must not park a sink for a day."""

_SECONDS = re.compile(r"[0-9]{1,12}")
_DOUBLINGS_MAX = 32  # far past any sensible maximum, and far from overflow

Uniform = Callable[[float, float], float]
"""Draws a number between two others, like ``random.uniform``."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: callers that failed together do not come back together.

    ``initial`` and ``maximum`` are seconds.
    """

    initial: float
    maximum: float
    uniform: Uniform

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures in a row (1 or more).

        With a Retry-After it is that long at least, plus some jitter, for the same reason.
        """
        if retry_after is not None:
            return retry_after + self.uniform(0, self.initial)
        ceiling = min(self.maximum, self.initial * 2 ** min(failures - 1, _DOUBLINGS_MAX))
        return self.uniform(0, ceiling)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """The seconds a Retry-After header asks for, between 0 and 300; None if there is none or it makes no sense.

    Both forms of RFC 9110 are read: a number of seconds, and a date, compared with ``now`` (seconds since 1970).
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_MAX)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(aware.timestamp() - now, 0.0), RETRY_AFTER_MAX)
