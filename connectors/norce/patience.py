"""How long an update is tried, and whose fault it is that it fails.

Two things look alike from inside one call: Norce is away, and this one update makes Norce fail. The first must never
cost an update; the second must not block the others. What tells them apart is whether Norce answered anyone else in the
meantime, so that is what is kept here, for one update, over all its calls.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from connectors.norce.calls import CallLog
from connectors.norce.clock import Clock, SystemClock
from connectors.norce.errors import Away, Outcome

EVIDENCE = 3
"""An update is at fault once Norce answered other calls between this many pairs of its failures. One or two pairs
also occur when an outage begins while calls are under way."""

T = TypeVar("T")


@dataclass(slots=True)
class Account:
    """One update's tries at one API."""

    limit: float
    calls: CallLog | None = None
    """Where its attempts are noted, if anywhere."""
    tried: float = 0.0
    failures: int = 0
    attempts: int = 0
    evidence: int = 0
    _answers: int | None = None

    @property
    def remaining(self) -> float:
        """Seconds of trying left before the deadline."""
        return self.limit - self.tried

    @property
    def alone(self) -> bool:
        """Whether the update is at fault, as far as is known."""
        return self.evidence >= EVIDENCE

    def failed(self, answers: int | None) -> None:
        """An attempt failed; ``answers`` is how many calls the API has answered by now.

        None says that the failure was an answer itself, and so tells nothing about others.
        """
        self.failures += 1
        if self._answers is not None and answers is not None and answers > self._answers:
            self.evidence += 1
        self._answers = answers

    def start_over(self) -> None:
        """The deadline passed without enough evidence: a new round of tries, and what is known is kept."""
        self.tried = 0.0


class Patience:
    """One update's patience with Norce; hand the same object to every call that is made for it.

    ``limit`` is the deadline: seconds of trying, that is of attempts and of the waits between them. Waiting in line
    (for the rate limit, a free slot, a closed circuit) is not trying. Every attempt is noted in ``calls``, if given.
    """

    def __init__(self, limit: float, calls: CallLog | None = None) -> None:
        self._limit = limit
        self._calls = calls
        self._accounts: dict[str, Account] = {}

    def account(self, api: str) -> Account:
        """The tries at one API."""
        return self._accounts.setdefault(api, Account(self._limit, self._calls))


async def persist(
    operation: Callable[[Patience], Awaitable[T]],
    limit: float,
    *,
    calls: CallLog | None = None,
    outage_limit: float | None = None,
    clock: Clock | None = None,
) -> T:
    """Do an operation for one update, and wait out whatever is not the update's fault.

    ``operation`` makes its calls with the patience it is given, and may be run again from its start. Cancelling is
    safe at any time. An update that fails while it is the only traffic stays undecided for as long as it is, since
    nothing tells it from an outage; ``outage_limit`` ends that.

    Args:
        limit: the deadline in seconds, see ``Patience``.
        calls: where every attempt of every round is noted.
        outage_limit: seconds after which the last error is raised all the same; None: never.

    Raises:
        NorceError: with an outcome other than retry, or, after ``outage_limit``, the last one.
    """
    clock = clock or SystemClock()
    patience = Patience(limit, calls)
    started = clock.monotonic()
    while True:
        try:
            return await operation(patience)
        except Away as away:
            late = outage_limit is not None and clock.monotonic() - started >= outage_limit
            if away.outcome is not Outcome.RETRY or late:
                raise
            await away.turn()
