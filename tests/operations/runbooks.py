"""The commands of a runbook, for the test that carries it out."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

RUNBOOKS = Path(__file__).parents[2] / "docs/operations"


def commands(page: str) -> list[list[str]]:
    """The commands of a runbook, in order, without the program's name."""
    blocks = re.findall(r"```sh\n(.*?)```", (RUNBOOKS / page).read_text(), flags=re.DOTALL)
    found = [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]
    assert {command[0] for command in found} == {"norce-pipeline"}
    return [command[1:] for command in found]


async def given(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """A command as an operator gives it: exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pipeline.cli",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
