"""The RocksDB store: state and changelog offset together, and a damaged database set aside."""

from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.engine import SliceApp, StateStoreError
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
