"""One of Norce's APIs: how calls to it are limited, repeated and given up.

The repeating is a loop of our own and not stamina: the wait comes from Retry-After and must fit the deadline, the
circuit breaker is asked in between, and clock, sleep and randomness are passed in; stamina fixes those.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from aiolimiter import AsyncLimiter

from connectors.norce.backoff import Backoff, Uniform
from connectors.norce.breaker import Breaker, Shut, State
from connectors.norce.calls import MadeCall
from connectors.norce.clock import Clock, SystemClock
from connectors.norce.errors import (
    Attempt,
    CircuitOpen,
    NorceError,
    Rejected,
    TokenUnavailable,
    Unauthorized,
    Unavailable,
)
from connectors.norce.limits import Limits
from connectors.norce.metrics import NorceMetrics, default_metrics
from connectors.norce.patience import Account, Patience
from connectors.norce.tokens import Credentials
from connectors.norce.transport import Answer, Lost, Request, Token, Transport
from connectors.norce.verdicts import Repeat, TokenRejected, cut_off, judge, not_answered

WORTHWHILE = 0.1
"""Share of the attempt timeout that must be left before the deadline for another attempt to be made."""

BURST = 0.02
"""Seconds' worth of calls that may start at the same moment; at 50 calls a second and below it is one call."""

T = TypeVar("T")
Refresh = Callable[[Request], Awaitable[Request]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """What ``call`` was asked for."""

    request: Request
    read: Callable[[Answer], T]
    refresh: Refresh | None
    accept: Collection[int]


class NorceApi:
    """Calls one API: paced, a few at a time, repeated while that can help, and not at all while Norce is away.

    Make one per API and process; close it at the end.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        credentials: Credentials,
        *,
        clock: Clock | None = None,
        uniform: Uniform = random.uniform,
        metrics: NorceMetrics | None = None,
    ) -> None:
        self.name = name
        self.limits = limits
        self._credentials = credentials
        self._clock = clock or SystemClock()
        self._metrics = metrics or default_metrics()
        self._transport = Transport(limits.connect_timeout)
        self._slots = asyncio.Semaphore(limits.concurrency)
        # One call every 1/rate seconds; at high rates, which timers cannot keep, a few at once. The library's usual
        # form, `rate` calls in a second, lets all of them start at the same moment, and takes no rate below one.
        burst = max(1.0, limits.rate * BURST)
        self._pace = AsyncLimiter(burst, burst / limits.rate)
        self._backoff = Backoff(limits.backoff_initial, limits.backoff_max, uniform)
        self._breaker = Breaker(limits.breaker_failures, limits.breaker_reset, self._clock, self._breaker_changed)
        self._metrics.breaker_state.labels(name).set(State.CLOSED.value)

    @property
    def breaker_open(self) -> bool:
        """Whether Norce is being left alone because it fails everyone."""
        return self._breaker.state is not State.CLOSED

    async def wait_until_closed(self) -> None:
        """Return when calls go through again for everyone. It makes no call; somebody else must."""
        await self._breaker.wait_until_closed()

    async def wait_for_turn(self) -> None:
        """Return when a call may be tried: at once, or in an outage when this caller is to try whether it is over."""
        await self._breaker.wait_for_turn()

    async def close(self) -> None:
        await self._transport.close()

    async def call(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        patience: Patience | None = None,
        refresh: Refresh | None = None,
        accept: Collection[int] = (),
    ) -> T:
        """Make one call, with its repeats, and return what ``read`` makes of the answer.

        Args:
            read: raises ``ValueError`` for an answer that makes no sense, which is then treated like a failure of
                Norce's, and ``NotYet`` to ask again.
            patience: of the update that the call is for; without it the call stands alone.
            refresh: makes the request to send, before every attempt.
            accept: statuses that are no failure here and are left to ``read``, besides 2xx.

        Raises:
            Rejected, Unauthorized, Unavailable, CircuitOpen, TokenUnavailable, TokenRefused, NotConfigured:
                see ``connectors.norce.errors``.
        """
        account = (patience or Patience(self.limits.deadline)).account(self.name)
        outcome = "cancelled"
        try:
            value = await self._repeat(_Call(request, read, refresh, accept), account)
            outcome = "ok"
            return value
        except NorceError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._metrics.calls.labels(self.name, request.operation, outcome).inc()

    async def _repeat(self, call: _Call[T], account: Account) -> T:
        renewed = False
        last: Attempt | None = None
        # The first attempt gets its full time even if little is left from an earlier call for the same update: cut
        # short it would look like a failure of Norce's.
        within = min(self.limits.attempt_timeout, self.limits.deadline)
        while True:
            await self._wait_out_hold(account, last)
            try:
                return await self._attempt(call, account, within)
            except Shut:
                continue  # since the call queued up; whether to wait is decided above
            except TokenRejected as rejected:
                last = rejected.attempt
                if renewed or not self._credentials.renew(rejected.token):
                    raise Unauthorized("Norce answers 401 to every token there is", attempt=last) from None
                renewed = True
                self._retried(call.request, "unauthorized", 0.0, account)
            except TokenUnavailable as error:
                if error.retry_after >= account.remaining:
                    raise
                await self._pause(call.request, "token", error.retry_after, account)
            except Repeat as repeat:
                last = repeat.attempt
                await self._pause_after(call.request, repeat, account)
                within = min(self.limits.attempt_timeout, account.remaining)

    async def _wait_out_hold(self, account: Account, last: Attempt | None) -> None:
        """Wait while Norce asked to be left alone, if that ends before the deadline."""
        seconds = self._breaker.shut_for()
        if not seconds:
            return
        if self._breaker.state is not State.CLOSED or seconds >= account.remaining:
            raise self._circuit_open(seconds, last)
        account.tried += seconds
        await self._clock.sleep(seconds)

    async def _attempt(self, call: _Call[T], account: Account, within: float) -> T:
        async with self._slots:
            token = await self._credentials.token()
            await self._pace.acquire()
            request = await call.refresh(call.request) if call.refresh else call.request
            with self._breaker.admit() as permit:
                account.attempts += 1
                at, started = self._clock.wall(), self._clock.monotonic()
                status, failed = None, None
                try:
                    status, value = await self._exchange(request, call, token, within)
                except Repeat as repeat:
                    failed = repeat.attempt
                    permit.failed() if repeat.down else permit.answered()
                    if repeat.retry_after:
                        self._breaker.hold(repeat.retry_after)
                    raise
                except asyncio.CancelledError:
                    failed = cut_off(request)
                    raise
                except (TokenRejected, Rejected) as refused:
                    failed = refused.attempt
                    permit.answered()
                    raise
                finally:
                    spent = self._clock.monotonic() - started
                    account.tried += spent
                    self._metrics.attempt_seconds.labels(self.name, request.operation).observe(spent)
                    if account.calls is not None and (status or failed):
                        account.calls.add(_made(at, self.name, request.operation, status, failed, spent))
                permit.answered()
                return value

    async def _exchange(self, request: Request, call: _Call[T], token: Token, within: float) -> tuple[int, T]:
        try:
            with self._metrics.in_flight.labels(self.name).track_inprogress():
                answer = await self._transport.exchange(request, within=within, token=token)
        except Lost as lost:
            raise not_answered(request, lost) from None
        return answer.status, judge(request, answer, token, call.read, call.accept, self._clock.wall())

    async def _pause_after(self, request: Request, repeat: Repeat, account: Account) -> None:
        account.failed(None if repeat.final else self._breaker.answers)
        if self._breaker.state is not State.CLOSED:
            raise self._circuit_open(self._breaker.shut_for(), repeat.attempt) from None
        wait = self._backoff.wait(account.failures, repeat.retry_after)
        if wait + WORTHWHILE * self.limits.attempt_timeout < account.remaining:
            await self._pause(request, repeat.kind, wait, account)
            return
        if repeat.final is not None:
            repeat.final.attempt = repeat.attempt
            raise repeat.final from None

        async def turn() -> None:
            await self._clock.sleep(wait)
            await self.wait_for_turn()

        error = Unavailable(
            f"given up after {account.attempts} attempts: {repeat.attempt.reason}",
            retry_after=wait,
            turn=turn,
            attempt=repeat.attempt,
            attempts=account.attempts,
            elapsed=account.tried,
            alone=account.alone,
        )
        account.start_over()
        raise error from None

    async def _pause(self, request: Request, kind: str, wait: float, account: Account) -> None:
        self._retried(request, kind, wait, account)
        account.tried += wait
        await self._clock.sleep(wait)

    def _retried(self, request: Request, kind: str, wait: float, account: Account) -> None:
        self._metrics.retries.labels(self.name, request.operation, kind).inc()
        log.info(
            "norce_call_repeated",
            api=self.name,
            operation=request.operation,
            reason=kind,
            attempts=account.attempts,
            wait=round(wait, 3),
        )

    def _circuit_open(self, seconds: float, last: Attempt | None) -> CircuitOpen:
        reason = f"{self.name} is left alone for {seconds:.1f} s more"
        return CircuitOpen(reason, retry_after=seconds, turn=self.wait_for_turn, attempt=last)

    def _breaker_changed(self, state: State) -> None:
        self._metrics.breaker_state.labels(self.name).set(state.value)
        log.warning("norce_breaker_changed", api=self.name, state=state.name.lower())


def _made(at: float, api: str, operation: str, status: int | None, failed: Attempt | None, spent: float) -> MadeCall:
    if failed is None:
        return MadeCall(at, api, operation, status, "", "", spent)
    return MadeCall(at, api, operation, failed.status, failed.reason, failed.answer, spent)
