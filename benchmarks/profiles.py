"""Where the processor time of our processes goes.

By thread, as the system counts it; and what holds Python's lock, as py-spy samples it, by the part of the program: that
lock is what limits one process.
"""

from __future__ import annotations

import asyncio
import json
import re
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
START = "<frozen importlib"
"""In the frames of a sample that is about the start of the process: paid once, and long over when it matters."""
THREADS = "threads without Python: RocksDB, the HTTP server"
WRITE_SECONDS = 30.0
THREAD_SECONDS = 0.5
"""Between two looks at the threads."""
LOADED_SECONDS = 2.0
"""Until an interpreter is far enough for py-spy to find its lock, which it looks for once."""

PARTS: Mapping[str, Sequence[str]] = {
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
    "Kafka client, sending": ("aiokafka/producer/",),
    "Kafka client, fetching": ("aiokafka/consumer/", "aiokafka/coordinator/", "aiokafka/record/"),
    "Kafka client, connections": ("aiokafka/",),
    "webhook: handing records to the producer": tuple(
        f"connectors/webhook/{name}.py" for name in ("publisher", "producer", "crowd", "patience", "outstanding")
    ),
    "webhook: check and answer": ("connectors/webhook/",),
    "calls to Norce: tries, tokens, limits": ("connectors/",),
    "calls to Norce: httpx and what it stands on": ("httpx/", "httpcore/", "h11/", "anyio/", "/ssl.py"),
    "Faust and mode": ("faust/", "mode/"),
    "event loop": ("asyncio/", "uvloop", "selectors.py", "rloop", "granian"),
}
"""A sample belongs to the part that its innermost frame with one of these in its path belongs to."""

_NUMBER = re.compile(r"[-_:]?\d+$")
_FOLDER: ContextVar[Path | None] = ContextVar("folder of profiles", default=None)


@dataclass(frozen=True)
class Profile:
    """Shares of the samples of one contestant, the largest first."""

    workload: str
    samples: int
    shares: Mapping[str, float]
    functions: Mapping[str, float]
    """The functions that most samples end in."""
    threads: Mapping[str, float]
    """Shares of the processor time by name of thread; the first thread has the name of the program."""


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
    command = [str(PY_SPY), "record", "--pid", str(pid), "--subprocesses", "--gil", "--format", "raw"]
    command += ["--rate", str(SAMPLES_A_SECOND), "--duration", "unlimited", "--output", str(output)]
    watching = asyncio.create_task(_watch(pid, command, output))
    try:
        yield
    finally:
        await watching


async def _watch(pid: int, command: Sequence[str], output: Path) -> None:
    """Let the profiler record, and look at what each thread has used, as long as the process lives."""
    await asyncio.sleep(LOADED_SECONDS)
    spy = Process(command, output.with_suffix(".log"))
    found: Counter[str] = Counter()
    while used := _threads(pid):
        found |= used  # the larger of each: a thread may end before its process
        await asyncio.sleep(THREAD_SECONDS)
    output.with_suffix(".threads").write_text(json.dumps(found))
    await spy.terminate(WRITE_SECONDS)


def _threads(pid: int) -> Counter[str]:
    """Clock ticks by name of thread, of a process and its children."""
    used: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
            children = (task / "children").read_text().split()
        except OSError:
            continue  # it ended
        used[_NUMBER.sub("", name)] += sum(map(int, fields.split()[11:13]))
        for child in children:
            used.update(_threads(int(child)))
    return used


def read(workload: str, folder: Path, contestant: str) -> Profile | None:
    """What was sampled of a contestant; ``None`` if nothing was, as where no process may look at another."""
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for path in folder.glob(f"{contestant}*.stacks"):
        for line in path.read_text().splitlines():
            stack, _, number = line.rpartition(" ")
            frames = stack.split(";")[1:]  # without the process, whose name is its command line
            if START in stack:
                continue
            parts[_part(frames)] += int(number)
            functions[_function(frames[-1]) if frames else THREADS] += int(number)
    samples = parts.total()
    if not samples:
        return None
    threads: Counter[str] = Counter()
    for path in folder.glob(f"{contestant}*.threads"):
        threads.update(json.loads(path.read_text()))
    return Profile(
        workload,
        samples,
        _shares(parts.most_common(), samples),
        _shares(functions.most_common(12), samples),
        _shares(threads.most_common(), threads.total() or 1),
    )


def _shares(counted: Iterable[tuple[str, int]], samples: int) -> dict[str, float]:
    return {name: round(number / samples, 4) for name, number in counted}


def _part(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for part, paths in PARTS.items():
            if any(path in frame for path in paths):
                return part
    return "other" if frames else THREADS


def _function(frame: str) -> str:
    name, _, where = frame.partition(" (")
    return f"{name} ({where.rpartition(':')[0]})" if where else name
