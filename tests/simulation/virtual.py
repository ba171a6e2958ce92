"""An event loop whose time jumps to the next timer, and draws that depend on a name and not on the order of asking."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Coroutine, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

T = TypeVar("T")


MOST_TURNS = 400_000
"""Turns of the loop in one history; an ordinary one has some thousands."""


class Stuck(Exception):
    """Nothing can ever happen again, or the same thing happens for ever."""


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: the loop's clock moves instead."""

    loop: VirtualLoop
    turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if timeout is None or self.turns == MOST_TURNS:
            raise Stuck
        self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds begin at 0 and pass only while everybody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self.set_exception_handler(lambda loop, context: None)  # a killed process leaves loose ends

    def time(self) -> float:
        return self.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end under virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


class Chance:
    """Draws from one seed. Each name has a sequence of its own, so that what one part draws changes no other's."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._drawn: Counter[str] = Counter()

    def share(self, name: str) -> float:
        """A number from 0 to 1."""
        self._drawn[name] += 1
        text = f"{self.seed}/{name}/{self._drawn[name]}"
        return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56

    def happens(self, name: str, probability: float) -> bool:
        return self.share(name) < probability

    def between(self, name: str, low: float, high: float) -> float:
        return low + (high - low) * self.share(name)

    def number(self, name: str, low: int, high: int) -> int:
        return low + int(self.share(name) * (high - low + 1))

    def choice(self, name: str, options: Sequence[T]) -> T:
        return options[int(self.share(name) * len(options))]
