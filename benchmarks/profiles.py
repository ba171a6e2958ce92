"""Where the processor time of our processes goes: py-spy's samples, by the part of the program they fall into."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.process import Process

PY_SPY = Path(sys.executable).with_name("py-spy")
SAMPLES_A_SECOND = 200
START = "start of the process"
THREADS = "threads without Python: RocksDB, librdkafka, the HTTP server"
WRITE_SECONDS = 30.0

PARTS: Mapping[str, Sequence[str]] = {
    START: ("<frozen importlib",),
    "fold, view, alerts, updates (pure core)": ("pipeline/domain/", "pipeline/events/", "pydantic/", "msgspec/"),
    "from records to steps, what is parked": ("pipeline/agents/", "pipeline/dead_letters/"),
    "ledger": ("pipeline/ledger",),
    "state: RocksDB and changelog": (
        "pipeline/engine/store.py",
        "pipeline/engine/table.py",
        "pipeline/engine/slices.py",
        "rocksdict",
    ),
    "engine: order of writes, commits": ("pipeline/engine/", "pipeline/sinks/", "pipeline/outgoing.py"),
    "metrics, traces and logs": ("pipeline/metrics", "prometheus_client/", "opentelemetry/", "structlog/", "/logging/"),
    "Kafka client, sending": ("aiokafka/producer/", "confluent_kafka/"),
    "Kafka client, fetching": ("aiokafka/consumer/", "aiokafka/coordinator/", "aiokafka/record/"),
    "Kafka client, connections": ("aiokafka/",),
    "HTTP with Norce": ("connectors/", "httpx/", "httpcore/", "h11/", "aiohttp/", "stamina/", "tenacity/"),
    "Faust and mode": ("faust/", "mode/"),
    "event loop": ("asyncio/", "uvloop", "selectors.py", "rloop", "granian"),
}
"""A sample belongs to the part that its innermost frame with one of these in its path belongs to."""

_FOLDER: ContextVar[Path | None] = ContextVar("folder of profiles", default=None)


@dataclass(frozen=True)
class Profile:
    """Shares of the samples of one contestant, the largest first."""

    workload: str
    samples: int
    shares: Mapping[str, float]
    functions: Mapping[str, float]
    """The functions that most samples end in."""


def available() -> bool:
    """Whether there is a profiler; it comes with what "make bench" installs."""
    return shutil.which(PY_SPY) is not None


@asynccontextmanager
async def profiled(folder: Path | None) -> AsyncIterator[None]:
    """Processes that start within are sampled; their stacks are in ``folder`` once they have ended."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


@asynccontextmanager
async def sampled(name: str, pid: int) -> AsyncIterator[None]:
    """Sample a process until it ends, if asked to by ``profiled``. It has to end within the context."""
    folder = _FOLDER.get()
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"{name.replace(' ', '-')}.stacks"
    command = [str(PY_SPY), "record", "--pid", str(pid), "--subprocesses", "--nonblocking", "--format", "raw"]
    command += ["--rate", str(SAMPLES_A_SECOND), "--duration", "unlimited", "--output", str(output)]
    spy = Process(command, output.with_suffix(".log"))
    try:
        yield
    finally:
        await spy.terminate(WRITE_SECONDS)


def read(workload: str, folder: Path, contestant: str) -> Profile | None:
    """What was sampled of a contestant; ``None`` if nothing was, as where no process may look at another."""
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for path in folder.glob(f"{contestant}*.stacks"):
        for line in path.read_text().splitlines():
            stack, _, number = line.rpartition(" ")
            frames = stack.split(";")
            part = _part(frames)
            if part == START:  # it is paid once, and long over when it matters
                continue
            parts[part] += int(number)
            functions[_function(frames[-1])] += int(number)
    samples = parts.total()
    if not samples:
        return None
    return Profile(
        workload, samples, _shares(parts.most_common(), samples), _shares(functions.most_common(12), samples)
    )


def _shares(counted: Iterable[tuple[str, int]], samples: int) -> dict[str, float]:
    return {name: round(number / samples, 4) for name, number in counted}


def _part(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for part, paths in PARTS.items():
            if any(path in frame for path in paths):
                return part
    return "other" if any("/" in frame for frame in frames) else THREADS


def _function(frame: str) -> str:
    name, _, where = frame.partition(" (")
    return f"{name} ({where.rpartition(':')[0]})" if where else name
