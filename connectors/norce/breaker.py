"""The circuit breaker: while Norce fails everyone, it is left alone but for one call now and then.

Why not a library: purgatory, circuitbreaker and pyresilience let every waiting call through at once when the circuit is
half open, read the clock themselves, and offer no way to wait for one's turn, which is what a sink does in an outage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Self

from connectors.norce.clock import Clock


class State(Enum):
    """The value is what the metric shows."""

    CLOSED = 0  # calls go through
    HALF_OPEN = 1  # one call goes through, and decides
    OPEN = 2  # no call goes through


class Shut(Exception):  # not an error: an answer, turned into one by the caller that knows the call
    """No call now; one may be tried in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"shut for {seconds:.1f} s")
        self.seconds = seconds


class Breaker:
    """Opens after ``threshold`` failures in a row; after ``reset`` seconds one call, the probe, decides.

    Any complete answer that need not be repeated is a success, a 4xx too: the service is up. A cancelled call counts
    as nothing. Results of calls that began before the last change of state change no state.
    """

    def __init__(
        self, threshold: int, reset: float, clock: Clock, on_change: Callable[[State], None] = lambda state: None
    ) -> None:
        self._threshold = threshold
        self._reset = reset
        self._clock = clock
        self._on_change = on_change
        self._state = State.CLOSED
        self._failures = 0
        self._shut_until = 0.0
        self._turn_until = 0.0
        self._line = asyncio.Lock()  # first come, first served: whoever failed a probe stands at its end
        self._changed = asyncio.Event()
        self.answers = 0
        """Calls answered so far; it growing between two failures of one call shows that others get through."""
        self.generation = 0

    @property
    def state(self) -> State:
        return self._state

    def shut_for(self) -> float:
        """Seconds until a call may be tried, 0 if now. While a probe is out nobody knows: then it is ``reset``."""
        if self._state is State.HALF_OPEN:
            return self._reset
        return max(self._shut_until - self._clock.monotonic(), 0.0)

    def hold(self, seconds: float) -> None:
        """Let nobody call for so many seconds, because Norce asked for it; the state stays as it is."""
        self._shut_until = max(self._shut_until, self._clock.monotonic() + seconds)

    def admit(self) -> Permit:
        """Begin a call.

        Raises:
            Shut: no call may be made now.
        """
        if seconds := self.shut_for():
            raise Shut(seconds)
        if self._state is State.OPEN:
            self._change(State.HALF_OPEN)
        return Permit(self, self.generation)

    async def wait_until_closed(self) -> None:
        """Return when calls go through again for everyone."""
        while self._state is not State.CLOSED:
            await self._changed.wait()

    async def wait_for_turn(self) -> None:
        """Return when a call may be tried: at once if closed, else one caller after the other, in order of arrival.

        Whoever is let through while the circuit is open is expected to call soon: the next in line waits for the
        result, or for ``reset`` seconds in case there is none.
        """
        async with self._line:
            while not self._take_turn():
                await self._something_changed()

    def _take_turn(self) -> bool:
        if self.shut_for():
            return False
        now = self._clock.monotonic()
        if self._state is State.OPEN:
            if now < self._turn_until:
                return False
            self._turn_until = now + self._reset
        return True

    async def _something_changed(self) -> None:
        """Wait for the state to change or for the moment at which it may; a probe's result has no such moment."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if self._state is not State.HALF_OPEN:
            seconds = max(self._shut_until, self._turn_until) - self._clock.monotonic()
            waits.add(asyncio.ensure_future(self._clock.sleep(max(seconds, 0.0))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def succeeded(self, generation: int) -> None:
        """An answer came. Called by the permit."""
        self.answers += 1
        if generation != self.generation:
            return
        self._failures = 0
        if self._state is State.HALF_OPEN:
            self._change(State.CLOSED)

    def failed(self, generation: int) -> None:
        """No answer came, or one to be repeated. Called by the permit."""
        if generation != self.generation:
            return
        self._failures += 1
        if self._state is State.HALF_OPEN or self._failures >= self._threshold:
            self.hold(self._reset)
            self._change(State.OPEN)

    def dropped(self, generation: int) -> None:
        """The call was cancelled. If it was the probe, the next in line may probe at once. Called by the permit."""
        if generation == self.generation and self._state is State.HALF_OPEN:
            self._change(State.OPEN)

    def _change(self, state: State) -> None:
        self._state = state
        self._failures = 0
        self._turn_until = 0.0
        self.generation += 1
        self._on_change(state)
        self._changed.set()
        self._changed = asyncio.Event()


class Permit:
    """One call that the breaker let through. Leaving it without a result counts as dropped."""

    def __init__(self, breaker: Breaker, generation: int) -> None:
        self._breaker = breaker
        self._generation = generation
        self._settled = False

    def answered(self) -> None:
        self._settled = True
        self._breaker.succeeded(self._generation)

    def failed(self) -> None:
        self._settled = True
        self._breaker.failed(self._generation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._settled:
            self._breaker.dropped(self._generation)
