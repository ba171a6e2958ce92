"""What the client tests build on: time that passes only by sleeping, and clients for a peer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from prometheus_client import CollectorRegistry

from connectors.norce import Answer, Clock, Credentials, Limits, NorceApi, NorceMetrics, Request, StaticTokens
from pipeline.settings import CheckoutChannel, CheckoutSettings, ConnectSettings
from tests.clients.peer import Peer

START = 1_700_000_000.0
"""The wall clock of all tests, seconds since 1970: 2023-11-14 22:13:20 UTC."""


async def until(condition: Callable[[], object]) -> None:
    """Let the others work until something is so; the test's time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110  # sockets are involved, so there is no event to wait for
        await asyncio.sleep(0.0005)


class PatientClock:
    """A clock on which only sleeping takes time, and no real time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return START + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class VirtualClock:
    """A clock that jumps to the next moment somebody sleeps for, once nothing is going on at the peer.

    Everybody sleeps at the same time on it, so it is for tests with several callers.
    """

    def __init__(self, peer: Peer) -> None:
        self.now = 0.0
        self._peer = peer
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        await asyncio.wait({self._ticking})

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return START + self.now

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, woken))
        await woken

    async def _tick(self) -> None:
        quiet = 0
        while True:
            await asyncio.sleep(0.0002)
            quiet = 0 if self._peer.in_flight else quiet + 1
            if quiet >= 4 and self._sleepers:  # long enough for an answer to be read and a request to be sent
                moment, _, woken = heapq.heappop(self._sleepers)
                if not woken.done():
                    quiet = 0
                    self.now = max(self.now, moment)
                    woken.set_result(None)


def at_most(low: float, high: float) -> float:
    """Randomness for tests: always the longest wait."""
    return high


def metrics() -> NorceMetrics:
    return NorceMetrics(CollectorRegistry())


LIMITS: dict[str, Any] = {
    "rate": 1000.0,
    "concurrency": 4,
    "connect_timeout": 5.0,
    "attempt_timeout": 5.0,
    "deadline": 120.0,
    "backoff_initial": 0.5,
    "backoff_max": 30.0,
    "breaker_failures": 1000,
    "breaker_reset": 15.0,
}


@asynccontextmanager
async def api_for(
    peer: Peer,
    clock: Clock | None = None,
    *,
    credentials: Credentials | None = None,
    measure: NorceMetrics | None = None,
    **limits: Any,
) -> AsyncIterator[Caller]:
    """A client of one API of the peer, with the limits of ``LIMITS`` unless told otherwise."""
    clock = clock or PatientClock()
    api = NorceApi(
        "connect",
        Limits(**{**LIMITS, **limits}),
        credentials or StaticTokens("token-1", None, clock),
        clock=clock,
        uniform=at_most,
        metrics=measure or metrics(),
    )
    try:
        yield Caller(api, peer.url)
    finally:
        await api.close()


class Caller:
    """An API and one request to make of it."""

    def __init__(self, api: NorceApi, url: str) -> None:
        self.api = api
        self.request = Request("Test", "POST", f"{url}/test", body={"test": 1})

    async def call(self, **options: Any) -> bytes:
        return await self.api.call(self.request, body_of, **options)


def body_of(answer: Answer) -> bytes:
    return answer.body


def connect_settings(url: str, **changes: Any) -> ConnectSettings:
    return ConnectSettings(
        **{
            **LIMITS,
            "base_url": f"{url}/commerce/connect/4.0",
            "token_url": f"{url}/identity/1.0/connect/token",
            "query_url": f"{url}/commerce/query/3.0",
            "query_rate": 1000.0,
            "client_id": "client",
            "client_secret": "s3cret",
            "scope": "playground",
            **changes,
        }
    )


CHANNEL = CheckoutChannel(merchant="merchant", channel="channel")


def checkout_settings(url: str, **changes: Any) -> CheckoutSettings:
    return CheckoutSettings(
        **{
            **LIMITS,
            "base_url": f"{url}/checkout/order/api/v1",
            "token": "primary",
            "channels": {"*": CHANNEL},
            **changes,
        }
    )
