"""The commands of a runbook, for the test that carries it out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.support.terminal import typed

RUNBOOKS = Path(__file__).parents[2] / "docs/operations"


def commands(page: str) -> list[list[str]]:
    """The commands of a runbook, in order, without the program's name."""
    blocks = re.findall(r"```sh\n(.*?)```", (RUNBOOKS / page).read_text(), flags=re.DOTALL)
    found = [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]
    assert {command[0] for command in found} == {"norce-pipeline"}
    return [command[1:] for command in found]


async def given(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """A command as an operator gives it at a terminal: exit code, and what it said and drew."""
    done = await typed(shlex.join(["norce-pipeline", *arguments]), environment, seconds=600)
    return done.code, done.out + done.drawn
