"""The peer on Kafka Streams, which "make bench" builds; it runs on the Java that the broker runs on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import ROOT
from pipeline.broker.java import find_java

FOLDER = ROOT / "benchmarks" / "peers" / "streams"


def command(options: str) -> Sequence[str | Path]:
    """The command line; ``options`` are JSON."""
    return [find_java().program, "-cp", f"{FOLDER / 'classes'}:{FOLDER / 'libs'}/*", "Join", options]


def missing() -> str | None:
    """Why it cannot run on this machine, ``None`` if it can."""
    return None if (FOLDER / "classes" / "Join.class").exists() else "it could not be built: no JDK, or no Maven"
