"""A child process that neither outlives this process nor dies of its Ctrl-C."""

from __future__ import annotations

import asyncio
import functools
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_POLL = 0.02  # seconds
_LOG_TAIL = 4096  # bytes


class Process:
    """A program whose output goes to a file.

    It is started in a session of its own, so a Ctrl-C in the terminal reaches only the parent, which can drain first.
    On Linux the kernel kills it when the thread that started it ends, however that ends: start it from a thread that
    lives as long as the child shall, such as the main thread.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - the launcher composes the command itself
                [*_with_parent_death_signal(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to an ended process it goes nowhere."""
        self._popen.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end; cancelling the wait leaves the process alone."""
        while (code := self.returncode) is None:  # noqa: ASYNC110 - a signal handler would be the loop owner's
            await asyncio.sleep(_POLL)
        return code

    async def terminate(self, grace: float) -> bool:
        """SIGTERM, and SIGKILL after ``grace`` seconds; a stopped process is continued to hear it.

        Returns:
            Whether it ended in time.
        """
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            async with asyncio.timeout(grace):
                await self.wait()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.send(signal.SIGKILL)
        await self.wait()

    def log_tail(self) -> str:
        """The end of the process's output."""
        content = self.log.read_bytes() if self.log.exists() else b""
        return content[-_LOG_TAIL:].decode(errors="replace").strip()


@functools.cache
def _with_parent_death_signal() -> tuple[str, ...]:
    # A command, and not preexec_fn: Python code between fork and exec may hang when other threads run.
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    known = subprocess.run([*prefix, "true"], capture_output=True, check=False)  # noqa: S603 - constant
    return prefix if known.returncode == 0 else ()
