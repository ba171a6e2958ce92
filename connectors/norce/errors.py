"""What can go wrong between this pipeline and Norce.

The whole tree, with what a sink does about each:

    NorceError
    ├── Away                      Norce cannot be asked now; the same call may succeed later
    │   ├── Unavailable           tried until the deadline                  dead letter if it failed alone, else retry
    │   ├── CircuitOpen           not called: Norce is failing everyone     retry
    │   └── TokenUnavailable      Identity gives no token at present        retry
    ├── Rejected                  a final answer to this one request        dead letter
    │   ├── Unknown               Query knows no such thing                 looked up again later
    │   └── Unfitting             Query's answer is not what was asked for  dead letter
    ├── Unaddressable             nothing Connect could find the order by   dead letter
    ├── UnknownOrderStatus        a status the tables do not name           dead letter
    ├── OrderNotFound             Query does not know the order             dead letter
    ├── NoChannel                 no Checkout channel for the application   dead letter
    ├── Unauthorized              401 with a renewed token too              stop
    ├── TokenRefused              Identity refuses the credentials          stop
    └── NotConfigured             a setting is missing or unusable          stop

No error carries a credential: requests are recorded without headers and forms, answers with every secret cut out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Outcome(StrEnum):
    """What to do with the update whose call failed."""

    RETRY = "retry"  # keep it and try again: nothing is wrong with it
    DEAD_LETTER = "dead_letter"  # put it aside: it fails by itself
    STOP = "stop"  # hold everything and alert: no update can succeed until somebody acts


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came back, as a dead letter keeps it.

    ``answer`` is text, at most 2 KiB; ``status`` is None when there was no complete answer, and ``reason`` says why.
    """

    operation: str
    method: str
    url: str
    request: Any
    status: int | None
    answer: str
    reason: str


class NorceError(Exception):
    """A call to Norce that did not succeed. ``outcome`` says what to do about it."""

    outcome: ClassVar[Outcome] = Outcome.DEAD_LETTER

    def __init__(self, reason: str, *, attempt: Attempt | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempt = attempt

    def describe(self) -> dict[str, Any]:
        """Everything a dead letter should say, as plain JSON values and without secrets.

        Keys: ``error``, ``outcome``, ``reason``, ``attempt`` (None, or an object with ``operation``, ``method``,
        ``url``, ``request``, ``status``, ``answer``, ``reason``), and what the error adds, named like its attributes.
        """
        return {
            "error": type(self).__name__,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "attempt": asdict(self.attempt) if self.attempt else None,
            **self._details(),
        }

    def _details(self) -> dict[str, Any]:
        return {}


class Away(NorceError):
    """Norce cannot be asked now. ``retry_after`` is the number of seconds until it makes sense to try again."""

    outcome = Outcome.RETRY

    def __init__(
        self, reason: str, *, retry_after: float, turn: Callable[[], Awaitable[None]], attempt: Attempt | None = None
    ) -> None:
        super().__init__(reason, attempt=attempt)
        self.retry_after = retry_after
        self._turn = turn

    async def turn(self) -> None:
        """Return when it is this caller's turn to try again; callers are let through in the order they came."""
        await self._turn()

    def _details(self) -> dict[str, Any]:
        return {"retry_after": round(self.retry_after, 3)}


class Unavailable(Away):
    """Every attempt failed until the deadline: no connection, no complete answer in time, 408, 425, 429 or 5xx.

    ``attempts`` were made, ``elapsed`` is the number of seconds spent on them and between them. ``alone`` says that
    Norce answered other calls between these failures: then the update is at fault and goes to the dead letters.
    Otherwise nothing is known against it, and it is to be tried again.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float,
        turn: Callable[[], Awaitable[None]],
        attempt: Attempt,
        attempts: int,
        elapsed: float,
        alone: bool,
    ) -> None:
        super().__init__(reason, retry_after=retry_after, turn=turn, attempt=attempt)
        self.attempts = attempts
        self.elapsed = elapsed
        self.alone = alone
        if alone:
            self.outcome = Outcome.DEAD_LETTER  # type: ignore[misc]  # the one class whose outcome depends on the case

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "attempts": self.attempts, "elapsed": round(self.elapsed, 3), "alone": self.alone}


class CircuitOpen(Away):
    """Not called: this API is failing everyone, or asked to be left alone, for ``retry_after`` more seconds."""


class TokenUnavailable(Away):
    """Identity gave no token, and is not asked again for ``retry_after`` seconds. The API itself was not called."""


class Rejected(NorceError):
    """Norce's answer is final: another 3xx, 4xx or 5xx, or a redirect, which is not followed with a token."""


class Unknown(Rejected):
    """Query answered, and knows no such thing at present. The event may be ahead of it."""


class Unfitting(Rejected):
    """Query answered with something else than was asked for: a field is missing, or it is about another thing."""


class Unaddressable(NorceError):
    """Connect could not tell which order is meant: the reference is no int32 and there is no ERP order number."""


class UnknownOrderStatus(NorceError):
    """A status, by name or by number, that is in no table known here; sending a guess could change the order."""


class OrderNotFound(NorceError):
    """Query did not know the order, until the deadline."""


class NoChannel(NorceError):
    """No merchant and channel are configured for the application, and there is no fallback."""


class Unauthorized(NorceError):
    """Norce answered 401, and again with the other or the renewed token."""

    outcome = Outcome.STOP


class TokenRefused(NorceError):
    """Identity refuses the client id, secret or scope."""

    outcome = Outcome.STOP


class NotConfigured(NorceError):
    """A setting is missing, or its value cannot be sent."""

    outcome = Outcome.STOP
