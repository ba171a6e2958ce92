"""Whatever dies, comes twice, comes late or jumps: the promises hold in every simulated history."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.__main__ import attempt, quietly
from tests.simulation.world import Broken, History

QUICK, LONG = 60, 1500


def histories(seeds: range) -> list[History]:
    """All of them, lived; fails with the first seed that breaks a promise."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=quietly) as pool:
        found = list(pool.map(attempt, seeds, chunksize=5))
    broken = [each for each in found if isinstance(each, str)]
    assert not broken, f"{len(broken)} of {len(seeds)} histories are broken, the first one:\n{broken[0]}"
    return [each for each in found if isinstance(each, History)]


def test_the_promises_hold_in_simulated_histories_with_deaths_and_rebalances(first_seed: int) -> None:
    lived = histories(range(first_seed, first_seed + QUICK))
    assert sum(history.deaths for history in lived) > QUICK
    assert sum(history.rebalances for history in lived) > 2 * QUICK


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_promises_hold_in_many_more_histories(first_seed: int) -> None:
    assert len(histories(range(first_seed, first_seed + LONG))) == LONG


def test_one_seed_is_one_history_step_by_step_in_another_process_too(repository: Path) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--processes", "1"]
    told = [
        subprocess.run(command, cwd=repository, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": n})
        for n in ("1", "2")
    ]
    assert told[0].returncode == 0
    assert "fingerprint=" in told[0].stdout
    assert told[0].stdout.splitlines()[-1] == told[1].stdout.splitlines()[-1]


def test_a_broken_history_names_its_seed_and_what_led_to_it() -> None:
    broken = Broken(42, "an event is lost", ["0.1 worker dies", "0.2 BROKEN an event is lost", "0.3 later"])
    assert str(broken).startswith("seed 42: an event is lost")
    assert "--seed 42" in str(broken)
    assert "worker dies" in str(broken)
    assert "later" not in str(broken)
