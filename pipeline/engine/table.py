"""A Faust table that is read and written by whole slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from faust.tables.table import Table
from yarl import URL

from pipeline.engine.producer import SliceProducer
from pipeline.engine.store import SliceStore
from pipeline.outgoing import Outgoing


class SliceTable(Table[bytes, bytes]):
    """Key to bytes, per partition, with a compacted changelog topic.

    Agents do not assign to it: they return changes in a :class:`~pipeline.engine.app.Step`, and the app writes them in
    the order that loses nothing.
    """

    @property
    def slices(self) -> SliceStore:
        return cast(SliceStore, self.data)

    def _new_store_by_url(self, url: str | URL) -> Any:
        return SliceStore(
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

    def read(self, partition: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist in that partition."""
        return self.slices.read(partition, keys)

    def items_of(self, partition: int, begin: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of one partition in the order of the keys, from the key ``begin`` on."""
        return self.slices.items_of(partition, begin)

    async def publish(self, partition: int, changes: Mapping[bytes, bytes | None]) -> int:
        """Send changes to the changelog and wait for the acknowledgement; returns the offset of the last one."""
        producer = cast(SliceProducer, self.app.producer)
        records = [Outgoing(key, value) for key, value in changes.items()]
        return await producer.send_records(self.changelog_topic_name, partition, records)

    def apply(self, partition: int, changes: Mapping[bytes, bytes | None], changelog_offset: int) -> None:
        """Write acknowledged changes to the local state."""
        self.slices.write(partition, changes.items(), changelog_offset)
