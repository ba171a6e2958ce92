"""How far a long command is, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn

MAX_BARS = 8
"""A copy of all topics has a hundred stages, and what is below the last line of a terminal is not seen."""


class Progress(Protocol):
    """Is told how far some work is. A stage ends when the next one begins; ``total`` is ``None`` if nobody knows it."""

    def begin(self, stage: str, total: int | None) -> None: ...

    def advance(self, count: int) -> None: ...


class Shown(Progress, Protocol):
    """... and can be taken away before the work is done."""

    def stop(self) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int | None) -> None:
        return

    def advance(self, count: int) -> None:
        return

    def stop(self) -> None:
        return


class Lines(Silent):
    """Progress as a line for each stage, for logs and files."""

    def begin(self, stage: str, total: int | None) -> None:
        print(stage if total is None else f"{stage} ({total})", file=sys.stderr, flush=True)


class Bars:
    """Progress as a bar for each of the last stages, on a terminal."""

    def __init__(self, progress: rich.progress.Progress) -> None:
        self._progress = progress
        self._tasks: list[TaskID] = []

    def begin(self, stage: str, total: int | None) -> None:
        if self._tasks:
            self._progress.stop_task(self._tasks[-1])
        if len(self._tasks) == MAX_BARS:
            self._progress.remove_task(self._tasks.pop(0))
        self._tasks.append(self._progress.add_task(stage, total=total))

    def advance(self, count: int) -> None:
        if self._tasks:
            self._progress.advance(self._tasks[-1], count)

    def stop(self) -> None:
        self._progress.stop()


@contextmanager
def shown(*, quiet: bool = False, lines: bool = True) -> Iterator[Shown]:
    """Show progress as long as the context lasts, or until it is stopped: bars if standard error is a terminal.

    Elsewhere there is a line for each stage, or nothing without ``lines``. What is ``quiet`` shows nothing anywhere.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Lines() if lines and not quiet else Silent()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with rich.progress.Progress(*columns, console=console) as progress:
        yield Bars(progress)
