"""One limit of time for very many short waits."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, NoReturn

LOOK_EVERY = 0.05
"""Seconds between two looks at who has waited too long."""


class Patience:
    """Ends what takes longer than ``seconds`` with a ``TimeoutError``, as ``asyncio.timeout`` does.

    One task looks at all that wait, as nearly every timer would be made only to be taken back, and that costs more.
    Used as ``with patience.wait():`` in tasks, while ``run`` runs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waits: deque[Wait] = deque()  # in the order of their ends, as all have the same time

    def wait(self) -> Wait:
        """What the current task does inside of this has its time.

        Raises:
            RuntimeError: there is no task that could be ended.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only what a task waits for can be ended")
        wait = Wait(task, self._loop.time() + self._seconds)
        self._waits.append(wait)
        return wait

    async def run(self) -> NoReturn:
        """End what is late, for ever."""
        while True:
            now = self._loop.time()
            while self._waits and (self._waits[0].over or self._waits[0].until <= now):
                self._waits.popleft().end()
            await asyncio.sleep(LOOK_EVERY)


class Wait:
    """One of the waits."""

    __slots__ = ("_late", "_task", "over", "until")

    def __init__(self, task: asyncio.Task[Any], until: float) -> None:
        self._task = task
        self._late = False
        self.until = until
        self.over = False

    def end(self) -> None:
        """It is late, if it is not over."""
        if not self.over:
            self._late = True
            self._task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over = True
        # Somebody else may have cancelled the task as well; then that is what counts.
        if self._late and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
