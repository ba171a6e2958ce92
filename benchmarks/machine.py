"""What the run saw of the machine: without it no figure means anything."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from pipeline.broker.distribution import VERSION as KAFKA_VERSION
from pipeline.broker.java import find_java

SHOWN = (
    "aiohttp",
    "aiokafka",
    "confluent-kafka",
    "faust-streaming",
    "granian",
    "httpx",
    "msgspec",
    "pydantic",
    "rocksdict",
    "uvloop",
)


@dataclass(frozen=True)
class Machine:
    """Hardware and versions."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    load_before: float
    """Processes that ran or wanted to when the run began, over one minute: more than 0.5 and figures are blurred."""
    python: str
    java: str
    kafka: str
    packages: dict[str, str]
    commit: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def look() -> Machine:
    """This machine, now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_before=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        java=find_java().build,
        kafka=KAFKA_VERSION,
        packages={name: metadata.version(name) for name in SHOWN},
        commit=_commit(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git is on the path
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"
