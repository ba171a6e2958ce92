"""The local state of personal data: a cache that keeps nothing of what was deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine import SliceApp, StateStoreError
from pipeline.privacy.app import _table
from pipeline.privacy.tables import ErasableStore, ErasableTable
from pipeline.privacy.topics import PERSON_KEYS

SECRET = b"planted-wrapped-key-0123456789"


def table(folder: Path) -> ErasableTable:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(folder), partitions=2)
    app.finalize()
    app._create_directories()
    return _table(app, "person-keys", 2)


def on_disk(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def store(made: ErasableTable) -> ErasableStore:
    assert isinstance(made.slices, ErasableStore)
    return made.slices


def test_the_changelog_of_a_table_is_its_private_topic(tmp_path: Path) -> None:
    assert table(tmp_path).changelog_topic_name == PERSON_KEYS


@pytest.mark.parametrize("flushed", [False, True], ids=["in the log", "in a file"])
def test_a_deleted_value_is_on_the_disk_until_the_state_is_purged(tmp_path: Path, flushed: bool) -> None:
    made = table(tmp_path)
    made.apply(0, {b"a": SECRET, b"b": b"other"}, 1)
    if flushed:
        made.purge(0)
    made.apply(0, {b"a": None}, 2)
    assert on_disk(tmp_path)
    made.purge(0)
    assert on_disk(tmp_path) == []
    assert made.read(0, [b"a", b"b"]) == {b"b": b"other"}
    store(made).close_partition(0)


async def test_a_restored_state_holds_nothing_of_what_the_topic_had_deleted(tmp_path: Path) -> None:
    made = table(tmp_path)
    made.apply(0, {b"a": SECRET}, 1)
    made.apply(0, {b"a": None}, 2)
    await store(made).on_recovery_completed(set(), set())
    assert on_disk(tmp_path) == []
    store(made).close_partition(0)


def test_a_partition_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    made = table(tmp_path)
    made.apply(0, {b"a": SECRET}, 1)
    store(made).close_partition(0)
    assert on_disk(tmp_path) == []


def test_what_a_killed_process_left_goes_when_the_next_one_starts_whatever_partitions_it_gets(tmp_path: Path) -> None:
    killed = table(tmp_path)
    for partition in (0, 1):
        killed.apply(partition, {b"a": SECRET}, 1)
        killed.slices._dbs.pop(partition).close()
    assert on_disk(tmp_path)
    made = table(tmp_path)
    assert made.read(1, [b"a"]) == {}
    assert on_disk(tmp_path) == []
    store(made).close_partition(1)


def test_the_state_of_a_running_process_is_not_taken_from_it(tmp_path: Path) -> None:
    running = table(tmp_path)
    running.apply(0, {b"a": SECRET}, 1)
    with pytest.raises(StateStoreError):
        table(tmp_path).read(0, [b"a"])
    assert running.read(0, [b"a"]) == {b"a": SECRET}
    store(running).close_partition(0)
