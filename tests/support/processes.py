"""Programs under test as processes of their own, ended by their id and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]


class Process:
    """A program (Python unless another is named) in a process group of its own, with its output in a file."""

    def __init__(
        self,
        *arguments: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        program: str | Path = sys.executable,
    ) -> None:
        self.arguments = (program, *arguments)
        self.log = log
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.log.unlink(missing_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        return self

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self, seconds: float = 40) -> int:
        """Ask it to stop; returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = 40) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def until(self, look: Callable[[], bool], seconds: float = 40) -> None:
        """Wait until something is so, while it runs."""
        end = time.monotonic() + seconds
        while not look():
            if not self.running or time.monotonic() > end:
                raise AssertionError(f"it never came; output:\n{self.output[-4000:]}")
            time.sleep(0.05)

    def until_output(self, text: str, seconds: float = 40) -> None:
        """Wait until a text stands in the output."""
        try:
            self.until(lambda: text in self.output, seconds)
        except AssertionError as error:
            raise AssertionError(f"{text!r}: {error}") from None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.kill()
