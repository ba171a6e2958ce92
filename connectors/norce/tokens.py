"""Bearer tokens as the clients ask for them, and Checkout's static ones."""

from __future__ import annotations

from typing import Protocol

import structlog

from connectors.norce.clock import Clock
from connectors.norce.transport import Token

SECOND_CHANCE = 60.0
"""Seconds after which a static token that got a 401 may be tried again."""

log = structlog.get_logger(__name__)


class Credentials(Protocol):
    """Where an API's token comes from."""

    async def token(self) -> Token:
        """The token to use now.

        Raises:
            TokenUnavailable: none at present.
            TokenRefused: none at all, with these credentials.
        """
        ...

    def renew(self, refused: Token) -> bool:
        """Say that a token got a 401. True: ``token`` now gives another one. False: there is no other."""
        ...

    async def close(self) -> None: ...


class StaticTokens:
    """Checkout's tokens: a primary and maybe a secondary, of which the one that works is used.

    After a 401 the other one is tried; when both got one within the last minute there is nothing left to try.
    """

    def __init__(self, primary: str, secondary: str | None, clock: Clock) -> None:
        self._tokens = [Token(value) for value in (primary, secondary) if value is not None]
        self._current = self._tokens[0]
        self._refused_at: dict[Token, float] = {}
        self._clock = clock

    async def token(self) -> Token:
        return self._current

    def renew(self, refused: Token) -> bool:
        if refused is not self._current:
            return True  # another call has switched already
        now = self._clock.monotonic()
        self._refused_at[refused] = now
        for other in self._tokens:
            if other is not refused and now - self._refused_at.get(other, float("-inf")) >= SECOND_CHANCE:
                self._current = other
                log.warning("norce_token_switched", to="primary" if other is self._tokens[0] else "secondary")
                return True
        return False

    async def close(self) -> None:
        return None
