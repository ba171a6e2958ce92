"""RocksDB state of one table, one database per partition, written together with its changelog offset.

Answers a defect of plain Faust: the state was written at once and the changelog offset when the broker answered, so
that after a crash the local state could hold a change that no other worker would ever see, or lack one. Here one write
batch carries both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from faust.stores.rocksdb import Store
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from pipeline.engine.errors import StateDamaged, StateStoreError

log = structlog.get_logger(__name__)

#: Bytes of uncompressed blocks kept in memory, shared by all tables and partitions of the process. Faust's default is
#: 2 GiB for each partition of each table.
BLOCK_CACHE_BYTES = 128 * 1024**2
#: Bytes of changes a partition keeps in memory before they go to a file.
WRITE_BUFFER_BYTES = 16 * 1024**2

_block_cache = Cache(BLOCK_CACHE_BYTES)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_block_cache)
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options


def _is_damaged(error: Exception) -> bool:
    """Whether an error of opening means that the files are not what they were."""
    return _is_corrupt(error) or "Invalid argument" in str(error)


def _is_corrupt(error: Exception) -> bool:
    return "Corruption" in str(error) or "No such file or directory" in str(error)


def _set_aside(path: Path) -> Path:
    """Move a damaged database away: the changelog has everything that was in it."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    shutil.move(path, aside)
    return aside


class SliceStore(Store):
    """Keys and values are bytes; every key belongs to the partition it arrived in."""

    def _open_for_partition(self, partition: int) -> Rdict:
        path = self.partition_path(partition)
        try:
            return Rdict(str(path), options=_options())
        except Exception as error:
            if "lock" in str(error).lower() or not _is_damaged(error):
                raise StateStoreError(path, error) from error
            return self._rebuild(path, error)

    def _rebuild(self, path: Path, error: Exception) -> Rdict:
        """Begin anew where a damaged database was."""
        aside = _set_aside(path)
        log.error(
            "state is damaged, rebuilding it from the changelog", path=str(path), kept_as=str(aside), error=str(error)
        )
        try:
            return Rdict(str(path), options=_options())
        except Exception as again:
            raise StateStoreError(path, again) from again

    @contextmanager
    def _using(self, partition: int, doing: str) -> Iterator[Rdict]:
        """The database, whose errors get a name. What is damaged is set aside: every restart would meet it again.

        Raises:
            StateDamaged: a restart rebuilds the state from its changelog.
            StateStoreError: the disk is full, for example.
        """
        database = self._db_for_partition(partition)
        try:
            yield database
        except Exception as error:
            path = self.partition_path(partition)
            if not _is_corrupt(error):
                raise StateStoreError(path, error, doing) from error
            self.close_partition(partition)
            raise StateDamaged(path, error, doing, _set_aside(path)) from error

    def read(self, partition: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        if not keys:
            return {}
        with self._using(partition, "read") as database:
            values: list[Any] = database.get(list(keys)) or []
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def write(self, partition: int, changes: Iterable[tuple[bytes, bytes | None]], changelog_offset: int) -> None:
        """Apply changes and remember the changelog offset they reach, both or neither."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(changelog_offset).encode())
        with self._using(partition, "write") as database:
            database.write(batch)

    def items_of(self, partition: int, begin: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of one partition in the order of the keys, from the key ``begin`` on."""
        with self._using(partition, "read") as database:
            place = database.iter()
            if begin is None:
                place.seek_to_first()
            else:
                place.seek(begin)
            while place.valid():
                key, value = place.key(), place.value()
                if key != self.offset_key:
                    yield key, value
                place.next()
            place.status()  # damage looks like the end otherwise, as it does in the client's own iteration

    def close_partition(self, partition: int) -> None:
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()

    def revoke_partitions(self, table: Any, tps: Iterable[Any]) -> None:
        """Close what another worker owns now; Faust leaves that to the garbage collector, and with it the lock."""
        topics = table.changelog_topic.topics
        for tp in tps:
            if tp.topic in topics:
                self.close_partition(tp.partition)

    async def stop(self) -> None:
        for partition in list(self._dbs):
            self.close_partition(partition)

    def changes_of(self, records: Iterable[Any]) -> Mapping[bytes, bytes | None]:
        """Changelog records as changes, the newest of a key last."""
        return {record.key: record.value for record in records}
