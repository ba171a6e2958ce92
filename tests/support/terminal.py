"""Commands as somebody gives them who sits at a terminal: standard error is a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.support.commands import run_command

TERM = {"TERM": "xterm-256color"}


class Typed(NamedTuple):
    """How a command ended, what it said, and what it drew on the terminal."""

    code: int
    out: str
    drawn: str


async def typed(line: str, environment: Mapping[str, str], *, seconds: float = 120) -> Typed:
    """Give a line that begins with ``norce-pipeline``, and say yes if it asks.

    Raises:
        subprocess.TimeoutExpired: it had not ended after ``seconds``, and was killed.
    """
    terminal, behind = os.openpty()
    drawn = asyncio.create_task(asyncio.to_thread(all_of, terminal))
    try:
        done = await asyncio.to_thread(
            run_command,
            shlex.split(line)[1:],
            {**environment, **TERM},
            stdin="y\n",
            terminal=os.ttyname(behind),
            seconds=seconds,
        )
    finally:
        os.close(behind)
        said = await drawn
    return Typed(done.returncode, done.stdout, said)


def all_of(terminal: int) -> str:
    """What is written to a terminal until nobody has it open."""
    read = b""
    while True:
        try:
            read += os.read(terminal, 65536)
        except OSError:
            os.close(terminal)
            return read.decode(errors="replace")


@contextmanager
def sitting_at(drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make standard error of this process a pseudo-terminal; what was drawn is added to the list in the end."""
    terminal, behind = os.openpty()
    with ThreadPoolExecutor(1) as reading:  # a terminal holds some thousand characters only, and then writing waits
        read = reading.submit(all_of, terminal)
        with os.fdopen(behind, "w") as stream, monkeypatch.context() as changed:
            changed.setattr(sys, "stderr", stream)
            for name, value in TERM.items():
                changed.setenv(name, value)
            try:
                yield
            finally:
                stream.close()
                drawn.append(read.result())
