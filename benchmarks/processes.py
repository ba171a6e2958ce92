"""Contestants as processes of their own, and what they use of the machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from benchmarks.profiles import sampled
from pipeline.broker.process import Process

ROOT = Path(__file__).parents[1]
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""Peers have an environment of their own: their pins and ours contradict each other."""

HOST = "127.0.0.1"
START_SECONDS = 60.0

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class DidNotRun(Exception):
    """A contestant ended or never got ready."""

    def __init__(self, name: str, output: str) -> None:
        super().__init__(f"{name} does not run; its log ends with:\n{output}")


class Contestant:
    """A running process with its children."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self._process = process

    @property
    def cpu(self) -> float:
        """Seconds of all cores used so far, by all its threads and children that still run."""
        return sum(cpu(pid) for pid in self._family())

    @property
    def memory(self) -> int:
        """Bytes resident now."""
        return sum(_resident(pid) for pid in self._family())

    @property
    def output(self) -> str:
        """The end of what it wrote."""
        return self._process.log_tail()

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> None:
        """Return when it ended by itself."""
        await self._process.wait()

    def check(self) -> None:
        """Raises ``DidNotRun``."""
        if not self.running:
            raise DidNotRun(self.name, self.output)

    async def until_ready(self, url: str) -> None:
        """Wait until it answers a GET with success. Raises ``DidNotRun``."""
        async with httpx.AsyncClient(timeout=2.0) as client:
            for _ in range(int(START_SECONDS / 0.05)):
                self.check()
                try:
                    if (await client.get(url)).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise DidNotRun(self.name, self.output)

    def _family(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
        return found


@asynccontextmanager
async def running(
    name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, grace: float = 30.0
) -> AsyncIterator[Contestant]:
    """A process for as long as the context lasts; asked to end then, and made to after ``grace`` seconds."""
    log = _fresh_log(folder, name)
    full = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    process = Process(list(command), log, environment=full)
    async with sampled(name, process.pid):
        try:
            yield Contestant(name, process)
        finally:
            await process.terminate(grace)


def ours(*words: str) -> list[str]:
    """The command line of one of our processes."""
    return [sys.executable, "-m", "pipeline.cli", *words]


def peer(module: str, *arguments: str) -> list[str | Path]:
    """The command line of a peer written in Python."""
    return [PEER_PYTHON, "-m", f"benchmarks.peers.{module}", *arguments]


def _fresh_log(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name.replace(' ', '-').replace('/', '-')}.log"
    log.unlink(missing_ok=True)
    return log


def cpu(pid: int) -> float:
    """Seconds of all cores that a process used so far; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0
