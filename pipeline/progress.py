"""How far a long command is, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn


class Progress(Protocol):
    """Is told how far some work is."""

    def begin(self, stage: str, total: int | None) -> None: ...

    def advance(self, count: int) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int | None) -> None:
        return

    def advance(self, count: int) -> None:
        return


class Shown:
    """Progress as a bar for each stage."""

    def __init__(self, progress: rich.progress.Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, stage: str, total: int | None) -> None:
        if self._task is not None:
            self._progress.stop_task(self._task)
        self._task = self._progress.add_task(stage, total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)

    def stop(self) -> None:
        self._progress.stop()


@contextmanager
def shown() -> Iterator[Shown]:
    """Show progress as long as the context lasts, or until it is stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with rich.progress.Progress(*columns, console=Console(stderr=True)) as progress:
        yield Shown(progress)
