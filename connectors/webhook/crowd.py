"""Records of many senders share requests to Kafka; the record of a few goes at once."""

from __future__ import annotations

import asyncio

CROWD = 8
"""Records on their way to Kafka from which on others wait for company."""

HOLD = 0.003
"""Seconds that they wait. A request costs client and broker far more than a record in it, so under load everybody's
answer comes sooner for it, as all wait for the same processors."""


class Crowd:
    """Lets what waits go on together, every ``HOLD`` seconds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held: list[asyncio.Future[None]] = []

    async def join(self, under_way: int) -> None:
        """Wait for company, unless only a few records are under way."""
        if under_way < CROWD:
            return
        if not self._held:
            self._loop.call_later(HOLD, self._let_go)
        turn: asyncio.Future[None] = self._loop.create_future()
        self._held.append(turn)
        await turn

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for turn in held:
            if not turn.done():  # whoever was cancelled has gone already
                turn.set_result(None)
