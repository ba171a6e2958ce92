"""Identity: OAuth2 client credentials, and when a token is asked for, renewed and dropped."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.norce.backoff import Uniform, parse_retry_after
from connectors.norce.clock import Clock
from connectors.norce.errors import Attempt, NorceError, TokenRefused, TokenUnavailable
from connectors.norce.metrics import NorceMetrics
from connectors.norce.transport import Answer, Lost, Request, Token, Transport

RENEW_AT = 0.8
"""Share of a token's lifetime after which a new one is asked for (assumed)."""

LIFETIME_DEFAULT = 300.0
"""Seconds a token is taken to live when Identity does not say. Norce docs: tokens live 3600 s."""

REQUEST_TIMEOUT = 10.0
"""Seconds Identity has to answer (assumed)."""

RENEWAL_INTERVAL = 20.0
"""Least seconds between two renewals that a 401 causes. Norce docs: 3 token requests a minute per address."""

THROTTLED = (20.0, 320.0)
"""Seconds before Identity is asked again after a 429, from the first to the most, if it does not say."""

FAILED = (1.0, 60.0)
"""The same after any other failure that may pass."""

REFUSED = 60.0
"""Seconds for which refused credentials are not tried again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Issued:
    """A token and when, on the monotonic clock, it is to be renewed and ends."""

    token: Token
    renew_at: float
    ends_at: float


class ClientCredentials:
    """OAuth2 client credentials with one token for everyone in this process; make one object and pass it around.

    One request to Identity at a time, whoever asks. A token is renewed in the background once 80 % of its life are
    over, so nobody waits while it is good. While Identity fails it is left alone, longer each time, and callers that
    have no token are told so at once.

    Args:
        timeout: seconds Identity has for a complete answer.
        start_jitter: seconds; the first request waits a random part of it, so that many processes that start together
            behind one address do not use up Norce's limit.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        scope: str,
        *,
        transport: Transport,
        clock: Clock,
        uniform: Uniform,
        metrics: NorceMetrics,
        timeout: float = REQUEST_TIMEOUT,
        start_jitter: float = 0.0,
    ) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
        }
        self._request = Request("Token", "POST", url, form=form)
        self._secret = client_secret
        self._transport = transport
        self._clock = clock
        self._uniform = uniform
        self._metrics = metrics
        self._timeout = timeout
        self._start_jitter = start_jitter
        self._issued: _Issued | None = None
        self._fetching: asyncio.Task[Token] | None = None
        self._failures = 0
        self._trouble: NorceError | None = None
        self._not_before = 0.0
        self._renewed_at = float("-inf")

    async def token(self) -> Token:
        now = self._clock.monotonic()
        issued = self._issued
        if issued is not None and now < issued.ends_at:
            if now >= issued.renew_at and now >= self._not_before:
                self._fetch()
            return issued.token
        if self._fetching is None and now < self._not_before and self._trouble is not None:
            raise self._again(self._trouble)
        try:
            # Shielded: that one caller gives up must not take the token away from the others.
            return await asyncio.shield(self._fetch())
        except NorceError as trouble:
            raise self._again(trouble) from None

    def renew(self, refused: Token) -> bool:
        if self._issued is None or self._issued.token is not refused:
            return True  # renewed already, or being renewed
        now = self._clock.monotonic()
        if now - self._renewed_at < RENEWAL_INTERVAL:
            return False
        self._renewed_at = now
        self._issued = None
        log.info("norce_token_dropped", reason="401")
        return True

    async def close(self) -> None:
        """End a request that is under way, and close the connection to Identity."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        await self._transport.close()

    def _fetch(self) -> asyncio.Task[Token]:
        if self._fetching is None:
            # In no context of the caller's: the token is for all, and belongs to no update's trace or log lines.
            self._fetching = asyncio.create_task(self._fetch_once(), name="norce-token", context=Context())
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, task: asyncio.Task[Token]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # looked at, so that a background renewal that failed is not reported as forgotten

    async def _fetch_once(self) -> Token:
        if self._start_jitter:
            jitter, self._start_jitter = self._uniform(0, self._start_jitter), 0.0
            await self._clock.sleep(jitter)
        try:
            answer = await self._transport.exchange(self._request, within=self._timeout)
        except Lost as lost:
            raise self._failed(FAILED, lost.reason) from None
        if answer.status in (400, 401, 403):
            raise self._refused(answer)
        if answer.status != 200:
            asked = parse_retry_after(answer.headers.get("retry-after"), self._clock.wall())
            span = THROTTLED if answer.status == 429 else FAILED
            raise self._failed(span, f"Identity answered {answer.status}", answer, asked)
        try:
            return self._take(answer.json())
        except (ValueError, TypeError, KeyError):
            # The answer may hold a token in a form unknown here, so it is not shown.
            raise self._failed(FAILED, "Identity's answer is no token") from None

    def _take(self, answer: dict[str, Any]) -> Token:
        value = answer["access_token"]
        if not isinstance(value, str) or not value:
            raise ValueError("access_token")
        lifetime = _seconds(answer.get("expires_in"))
        now = self._clock.monotonic()
        self._issued = _Issued(Token(value), now + RENEW_AT * lifetime, now + lifetime)
        self._failures, self._trouble, self._not_before = 0, None, 0.0
        self._metrics.token_requests.labels("ok").inc()
        log.info("norce_token_issued", lifetime=lifetime)
        return self._issued.token

    def _failed(
        self, span: tuple[float, float], reason: str, answer: Answer | None = None, retry_after: float | None = None
    ) -> TokenUnavailable:
        self._failures += 1
        first, most = span
        ceiling = min(most, first * 2 ** min(self._failures - 1, 16))
        # Jitter on top, never below: Identity counts every request against the address.
        wait = (ceiling if retry_after is None else retry_after) + self._uniform(0, first)
        self._metrics.token_requests.labels("failed").inc()
        log.warning("norce_token_failed", reason=reason, retry_after=round(wait, 1))
        self._leave_alone(wait)
        self._trouble = TokenUnavailable(reason, **self._when(wait), attempt=self._attempt(reason, answer))
        return self._trouble

    def _refused(self, answer: Answer) -> TokenRefused:
        reason = f"Identity answered {answer.status}: check client id, secret and scope"
        self._metrics.token_requests.labels("refused").inc()
        log.error("norce_token_refused", status=answer.status)
        self._leave_alone(REFUSED)
        self._trouble = TokenRefused(reason, attempt=self._attempt(reason, answer))
        return self._trouble

    def _leave_alone(self, seconds: float) -> None:
        self._not_before = self._clock.monotonic() + seconds

    def _again(self, trouble: NorceError) -> NorceError:
        """The same trouble for one more caller: many wait for one request, and each gets an error of its own."""
        if isinstance(trouble, TokenUnavailable):
            wait = max(self._not_before - self._clock.monotonic(), 0.0)
            return TokenUnavailable(trouble.reason, **self._when(wait), attempt=trouble.attempt)
        return type(trouble)(trouble.reason, attempt=trouble.attempt)

    def _when(self, wait: float) -> dict[str, Any]:
        return {"retry_after": wait, "turn": lambda: self._clock.sleep(wait)}

    def _attempt(self, reason: str, answer: Answer | None) -> Attempt:
        request = self._request
        return Attempt(
            request.operation,
            request.method,
            request.target,
            None,
            answer.status if answer else None,
            answer.excerpt(self._secret) if answer else "",
            reason,
        )


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # whatever Identity sent: a number, also as text, or neither
    except (TypeError, ValueError):
        return LIFETIME_DEFAULT
    return seconds if 0 < seconds < float("inf") else LIFETIME_DEFAULT
