"""Memory, descriptors and data sizes of a running stack, from the kernel (Linux), and whether they stay flat."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.run.stack import Stack

WARM = 60.0
"""Seconds after its start from which on a process's memory counts."""
FLAT = 1.5
"""Largest ratio of the end to the beginning that still counts as flat."""
SLACK = {"resident": 64 * 1024**2, "descriptors": 64}
"""Growth that is no leak, whatever the ratio: write buffers of the state and pooled connections that fill up once."""


@dataclass(frozen=True)
class Sample:
    """One process at one moment: its pid, seconds since the run began, resident bytes and open descriptors."""

    process: str
    pid: int
    at: float
    resident: int
    descriptors: int


@dataclass
class Sampler:
    """Looks at every process of a stack every few seconds."""

    stack: Stack
    interval: float = 5.0
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(self.interval)

    def look(self) -> None:
        now = round(time.monotonic() - self._began, 1)
        for name, process in self.stack.processes.items():
            if process.returncode is None and (seen := _seen(process.pid)) is not None:
                self.samples.append(Sample(name, process.pid, now, *seen))


@dataclass(frozen=True)
class Flatness:
    """One quantity of one process: medians at the beginning and at the end, and the highest value."""

    start: float
    end: float
    highest: float
    slack: float = 0.0

    @property
    def ratio(self) -> float:
        return round(self.end / self.start, 3) if self.start else 0.0

    @property
    def flat(self) -> bool:
        return self.ratio <= FLAT or self.end - self.start <= self.slack

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "ratio": self.ratio, "flat": self.flat}


def flatness(samples: Iterable[Sample], quantity: str, warm: float = WARM) -> dict[str, Flatness]:
    """By process: the first third of its samples against the last one, each taken ``warm`` seconds after a start."""
    by_process: dict[str, list[float]] = {}
    began: dict[tuple[str, int], float] = {}
    for sample in samples:
        start = began.setdefault((sample.process, sample.pid), sample.at)
        if sample.at - start >= warm:
            by_process.setdefault(sample.process, []).append(getattr(sample, quantity))
    return {
        name: Flatness(
            median(values[: len(values) // 3]), median(values[-(len(values) // 3) :]), max(values), SLACK[quantity]
        )
        for name, values in by_process.items()
        if len(values) >= 6
    }


def size_of(folder: Path) -> int:
    """Bytes that the files of a folder take on the disk; files that go meanwhile are left out."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_blocks * 512
            except OSError:
                continue
    return total


def sizes(folders: Mapping[str, Path]) -> dict[str, int]:
    return {name: size_of(folder) for name, folder in folders.items() if folder.exists()}


def _seen(pid: int) -> tuple[int, int] | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    resident = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), None)
    return None if resident is None else (int(resident) * 1024, descriptors)
