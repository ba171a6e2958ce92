"""What makes starts of Apache Kafka fast is made once, and never left half made."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from pipeline.broker import KafkaCluster
from pipeline.broker.distribution import Distribution, fetch_distribution, find_distribution
from pipeline.broker.preparation import prepare_fast_starts


@pytest.fixture
async def unprepared(tmp_path: Path) -> Distribution:
    """Kafka's jars in a cache of their own, from which nothing was ever started."""
    found = await fetch_distribution()
    (tmp_path / "libs").symlink_to(found.home / "libs")
    return Distribution(found.java, tmp_path)


async def test_a_preparation_that_takes_too_long_leaves_nothing_and_the_next_start_tries_again_once(
    unprepared: Distribution,
) -> None:
    lines: list[str] = []
    await prepare_fast_starts(unprepared, lines.append, patience=0.1)
    assert "Starts stay slow" in lines[-1]
    assert not unprepared.prepared.exists()

    lines.clear()
    await asyncio.gather(*(prepare_fast_starts(unprepared, lines.append) for _ in range(3)))
    assert lines == ["Preparing Apache Kafka for fast starts (once)"]
    assert unprepared.class_archive.stat().st_size > 1_000_000
    assert unprepared.first_metadata.stat().st_size > 0
    assert {path.name for path in unprepared.home.iterdir() if path.is_dir()} == {"libs", unprepared.prepared.name}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_a_node_maps_the_prepared_classes_and_formats_its_storage_without_another_java(
    fresh_kafka: KafkaCluster,
) -> None:
    archive = find_distribution().class_archive
    assert str(archive) in Path(f"/proc/{fresh_kafka.pid(1)}/maps").read_text()
    assert not (fresh_kafka.log(1).parent / "format.log").exists()
