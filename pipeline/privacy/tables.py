"""Tables whose local state is a cache of their topic and keeps nothing of what was deleted.

Deleting a key in RocksDB writes a mark and leaves the bytes where they are, in the log and in the files, until
compaction comes by. And a folder stays behind when a partition moves to another process, which then cannot delete in
it. So the state is compacted after each deletion and each restore, and it goes when its partition goes: it is read
again from the topic, which is compacted, too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

from rocksdict import Rdict
from yarl import URL

from pipeline.engine import SliceTable, StateStoreError
from pipeline.engine.store import SliceStore
from pipeline.privacy.topics import TABLE_TOPICS


class ErasableStore(SliceStore):
    """A partition's database, begun empty at each start and assignment."""

    _swept = False

    def _open_for_partition(self, partition: int) -> Rdict:
        if not self._swept:
            self._swept = True
            for path in self.path.glob(f"{self.basename}-*.db*"):
                _remove(path)
        return super()._open_for_partition(partition)

    def close_partition(self, partition: int) -> None:
        super().close_partition(partition)
        _remove(self.partition_path(partition))

    async def on_recovery_completed(self, active_tps: Any, standby_tps: Any) -> None:
        await super().on_recovery_completed(active_tps, standby_tps)
        for partition in list(self._dbs):
            self.purge(partition)

    def purge(self, partition: int) -> None:
        """Let the bytes of deleted and overwritten values go from the disk. Takes seconds for a large state."""
        database = self._db_for_partition(partition)
        database.flush()
        database.compact_range(None, None)


class ErasableTable(SliceTable):
    """A table whose changelog is one of the private topics."""

    def _new_store_by_url(self, url: str | URL) -> ErasableStore:
        return ErasableStore(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            loop=self.loop,
            options={},
        )

    def _changelog_topic_name(self) -> str:
        return TABLE_TOPICS[self.name]

    def purge(self, partition: int) -> None:
        """See :meth:`ErasableStore.purge`."""
        cast(ErasableStore, self.slices).purge(partition)


def _remove(path: Path) -> None:
    """Remove a database that nobody has open.

    Raises:
        StateStoreError: another process has it open.
    """
    if not path.exists():
        return
    try:
        Rdict.destroy(str(path))
    except Exception as error:
        if "lock" in str(error).lower():
            raise StateStoreError(path, error) from error
    shutil.rmtree(path, ignore_errors=True)
