"""The RocksDB store: state and changelog offset together, and a damaged database set aside."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.engine import SliceApp, StateDamaged, StateStoreError
from pipeline.engine.slices import TopicPartition
from pipeline.engine.store import SliceStore

CHANGELOG = TopicPartition("g-table-changelog", 0)


def store(folder: Path) -> SliceStore:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(folder), partitions=2)
    app.finalize()
    app._create_directories()
    return cast(SliceStore, cast(Any, app.Table("table", key_type=bytes, value_type=bytes)).slices)


async def test_a_write_is_there_with_its_changelog_offset_after_reopening(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.write(0, [(b"a", b"1"), (b"b", b"2")], 41)
    first.write(0, [(b"b", None), (b"c", b"3")], 43)
    await first.stop()

    again = store(tmp_path)
    assert again.read(0, [b"a", b"b", b"c", b"d"]) == {b"a": b"1", b"c": b"3"}
    assert again.persisted_offset(cast(Any, CHANGELOG)) == 43
    assert dict(again.items_of(0)) == {b"a": b"1", b"c": b"3"}
    await again.stop()


async def test_partitions_are_apart(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.write(0, [(b"a", b"1")], 1)
    assert one.read(1, [b"a"]) == {}
    assert one.persisted_offset(cast(Any, TopicPartition(CHANGELOG.topic, 1))) is None
    await one.stop()


@pytest.mark.parametrize("damage", ["truncate", "remove"])
async def test_a_damaged_database_is_set_aside_and_begins_empty(tmp_path: Path, damage: str) -> None:
    first = store(tmp_path)
    first.write(0, [(b"a", b"1")], 7)
    path = first.partition_path(0)
    await first.stop()
    (manifest,) = path.glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[:20]) if damage == "truncate" else manifest.unlink()

    again = store(tmp_path)
    assert again.read(0, [b"a"]) == {}
    assert again.persisted_offset(cast(Any, CHANGELOG)) is None
    assert len(list(path.parent.glob(f"{path.name}.damaged-*"))) == 1
    await again.stop()


async def test_a_database_that_another_process_holds_is_a_named_error_and_left_alone(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.write(0, [(b"a", b"1")], 7)
    with pytest.raises(StateStoreError, match="lock"):
        store(tmp_path).read(0, [b"a"])
    assert first.read(0, [b"a"]) == {b"a": b"1"}
    await first.stop()


async def filled(folder: Path) -> tuple[SliceStore, Path]:
    """A store with a table file on the disk, and that file."""
    made = store(folder)
    made.write(0, [(b"key-%06d" % number, os.urandom(400)) for number in range(2000)], 2000)
    made._dbs[0].flush()
    await made.stop()
    again = store(folder)
    (table, *_) = sorted(again.partition_path(0).glob("*.sst"))
    return again, table


async def test_a_table_file_that_was_cut_short_is_noticed_when_the_state_is_opened(tmp_path: Path) -> None:
    again, table = await filled(tmp_path)
    table.write_bytes(table.read_bytes()[:-5000])
    assert again.read(0, [b"key-000001"]) == {}
    assert again.persisted_offset(cast(Any, CHANGELOG)) is None
    assert len(list(table.parent.parent.glob("*.damaged-*"))) == 1
    await again.stop()


@pytest.mark.parametrize("use", ["read", "items"])
async def test_damage_that_only_reading_shows_stops_the_worker_once_and_not_at_every_restart(
    tmp_path: Path, use: str
) -> None:
    again, table = await filled(tmp_path)
    content = bytearray(table.read_bytes())
    content[: len(content) // 2] = bytes(byte ^ 0xFF for byte in content[: len(content) // 2])
    table.write_bytes(content)
    with pytest.raises(StateDamaged, match=r"cannot read the state in .*; it is set aside as .*damaged-"):
        again.read(0, [b"key-000001"]) if use == "read" else list(again.items_of(0))

    restarted = store(tmp_path)
    assert restarted.read(0, [b"key-000001"]) == {}
    assert restarted.persisted_offset(cast(Any, CHANGELOG)) is None
    restarted.write(0, [(b"a", b"1")], 5)
    assert dict(restarted.items_of(0)) == {b"a": b"1"}
    await restarted.stop()


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from tests.engine.test_store import store
one = store(Path(sys.argv[1]))
one.write(0, [(b"a", b"1")], 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for number in range(2, 10_000):
    one.write(0, [(b"a", b"x" * 5000)], number)
"""


def test_a_disk_that_is_full_is_a_named_error_and_what_was_written_stays(tmp_path: Path, repository: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)], capture_output=True, text=True, cwd=repository
    )
    assert ended.returncode == 1
    assert "pipeline.engine.errors.StateStoreError: cannot write the state in" in ended.stderr
    again = store(tmp_path)
    reached = again.persisted_offset(cast(Any, CHANGELOG))
    assert reached is not None
    assert reached > 1
    assert again.read(0, [b"a"]) == {b"a": b"x" * 5000}
    assert list(tmp_path.glob("**/*.damaged-*")) == []
    again.close_partition(0)
