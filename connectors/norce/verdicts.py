"""What an answer, or its absence, means for a call."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from connectors.norce.backoff import parse_retry_after
from connectors.norce.errors import Attempt, NorceError, Rejected
from connectors.norce.statuses import Action, action_for
from connectors.norce.transport import Answer, Lost, Request, Token

T = TypeVar("T")


class NotYet(Exception):
    """For ``read`` to raise: Norce answered, but does not know it yet. ``error`` is raised when it never does."""

    def __init__(self, error: NorceError) -> None:
        super().__init__(error.reason)
        self.error = error


class Repeat(Exception):
    """An attempt that is to be repeated.

    Attributes:
        kind: what the metric of repeats calls it.
        retry_after: seconds that Norce asked for.
        final: what to raise at the deadline instead of ``Unavailable``; Norce did answer then.
        down: whether it counts as a failure of Norce's.
    """

    def __init__(
        self, kind: str, attempt: Attempt, *, retry_after: float | None = None, final: NorceError | None = None
    ) -> None:
        super().__init__(attempt.reason)
        self.kind = kind
        self.attempt = attempt
        self.retry_after = retry_after
        self.final = final
        self.down = final is None


class TokenRejected(Exception):
    """The token got a 401."""

    def __init__(self, token: Token, attempt: Attempt) -> None:
        super().__init__(attempt.reason)
        self.token = token
        self.attempt = attempt


def not_answered(request: Request, lost: Lost) -> Repeat:
    """The verdict on a request without a complete answer."""
    return Repeat(lost.loss, _attempt(request, lost.reason))


def cut_off(request: Request) -> Attempt:
    """A request that this process did not wait for any longer, because it stops."""
    return _attempt(request, "cut off before there was an answer: this process stopped, or gave the update away")


def judge(
    request: Request,
    answer: Answer,
    token: Token,
    read: Callable[[Answer], T],
    accept: Collection[int],
    now: float,
) -> T:
    """What ``read`` makes of a good answer. Statuses in ``accept`` are good besides 2xx.

    Raises:
        Repeat, TokenRejected, Rejected: what the status asks for, see ``statuses``, or ``read`` says.
    """
    action = Action.ACCEPT if answer.status in accept else action_for(answer.status)
    if action is Action.ACCEPT:
        return _read(request, answer, token, read)
    reason = f"Norce answered {answer.status}"
    attempt = _attempt(request, reason, answer, token)
    if action is Action.RENEW:
        raise TokenRejected(token, attempt)
    if action is Action.RETRY:
        raise Repeat(str(answer.status), attempt, retry_after=parse_retry_after(answer.headers.get("retry-after"), now))
    raise Rejected(reason, attempt=attempt)


def _read(request: Request, answer: Answer, token: Token, read: Callable[[Answer], T]) -> T:
    # A good answer is not kept with an error: it may hold a buyer's data.
    try:
        return read(answer)
    except NotYet as missing:
        attempt = replace(_attempt(request, str(missing), answer, token), answer="")
        raise Repeat("missing", attempt, final=missing.error) from None
    except Rejected as refused:
        refused.attempt = replace(_attempt(request, refused.reason, answer, token), answer="")
        raise
    except ValueError as error:
        # A gateway's page with status 200, for example: not from the service, so it may pass.
        kind = answer.headers.get("content-type", "no content type")
        reason = f"the answer makes no sense ({type(error).__name__}, {kind}, {len(answer.body)} bytes)"
        raise Repeat("unreadable", replace(_attempt(request, reason, answer, token), answer="")) from None


def _attempt(request: Request, reason: str, answer: Answer | None = None, token: Token | None = None) -> Attempt:
    return Attempt(
        operation=request.operation,
        method=request.method,
        url=request.target,
        request=request.body,
        status=answer.status if answer else None,
        answer=answer.excerpt(token.value) if answer and token else "",
        reason=reason,
    )
