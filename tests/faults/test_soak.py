"""The soak of the README, for a few minutes, and its way of counting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.sampling import Sample, flatness
from tests.faults.soak import markdown

MINUTES = 3


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_short_soak_with_random_kills_ends_balanced_and_flat(seed: int, tmp_path: Path, repository: Path) -> None:
    arguments = {"--minutes": MINUTES, "--seed": seed, "--rate": 20, "--pause": 5, "--folder": tmp_path / "soak"}
    command = [sys.executable, "-m", "tests.faults.soak", *(str(part) for pair in arguments.items() for part in pair)]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert ended.returncode == 0, f"seed {seed}:\n{ended.stdout[-6000:]}\n{ended.stderr[-3000:]}"
    result = json.loads((tmp_path / "soak" / "result.json").read_text())
    assert sum(result["kills"].values()) >= 2
    assert result["verdict"]["posted"] > MINUTES * 60 * 10
    assert "| lost | 0 |" in markdown(result)


def samples(*resident: int, pid: int = 1, start: float = 0.0) -> list[Sample]:
    return [Sample("worker", pid, start + 5.0 * n, each, 10) for n, each in enumerate(resident)]


def test_memory_that_grows_is_not_flat_and_memory_that_varies_is() -> None:
    mib = 1024**2
    growing = flatness(samples(*(100 * mib + n * 10 * mib for n in range(60))), "resident", warm=10.0)["worker"]
    assert not growing.flat
    varying = flatness(samples(*(100 * mib + n % 3 * 10 * mib for n in range(60))), "resident", warm=10.0)["worker"]
    assert varying.flat


def test_a_process_that_was_just_started_does_not_count() -> None:
    mib = 1024**2
    old = samples(*[200 * mib] * 20)
    young = samples(*[10 * mib] * 20, pid=2, start=100.0)
    found = flatness([*old, *young], "resident", warm=1000.0)
    assert found == {}
    assert flatness([*old, *young], "resident", warm=50.0)["worker"].highest == 200 * mib
