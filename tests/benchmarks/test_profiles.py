"""Profiles: each sample is counted once, for the part of the program that it was taken in."""

from __future__ import annotations

from pathlib import Path

from benchmarks.profiles import THREADS, read

STACKS = """\
process 7:"python";run (asyncio/base_events.py:1);fold (/x/pipeline/domain/fold.py:9) 60
process 7:"python";run (asyncio/base_events.py:1);send (aiokafka/producer/producer.py:3) 20
process 7:"python";run (asyncio/base_events.py:1);fold (/x/pipeline/domain/fold.py:9);check (pydantic/main.py:2) 10
process 7:"python";find (<frozen importlib._bootstrap>:1) 500
process 7:"python" 10
"""


def test_a_sample_belongs_to_the_innermost_part_and_the_start_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "ours-1.stacks").write_text(STACKS)
    (tmp_path / "another.stacks").write_text(STACKS)
    found = read("join", tmp_path, "ours")
    assert found is not None
    assert found.samples == 100
    assert found.shares == {
        "fold, view, alerts, updates (pure core)": 0.7,
        "Kafka client, sending": 0.2,
        THREADS: 0.1,
    }
    assert next(iter(found.functions)) == "fold (/x/pipeline/domain/fold.py)"


def test_nothing_sampled_is_no_profile(tmp_path: Path) -> None:
    assert read("join", tmp_path, "ours") is None
