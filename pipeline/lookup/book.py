"""The table of look-ups: an entry for each thing, and an index of the times at which something is due.

Two kinds of keys in one table, so that one write keeps both in step: ``s{kind}|{key}`` holds an entry,
``d{time}|{kind}|{key}`` enters it in the index. Times are microseconds in 20 digits, so the index sorts by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pipeline.engine import SliceTable, Step
from pipeline.lookup.memory import Entry

Name = bytes
"""``{kind}|{key}``"""

_DUE, _ENTRY, _BETWEEN = b"d", b"s", b"|"
_DIGITS = 20
_DECODER = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


def name_of(kind: str, key: bytes) -> Name:
    return kind.encode() + _BETWEEN + key


class Book:
    """Reads and changes the table."""

    def __init__(self, table: SliceTable) -> None:
        self.table = table

    def entries(self, partition: int, names: Iterable[Name]) -> Mapping[Name, Entry]:
        """What is kept of those that anything is kept of."""
        found = self.table.read(partition, [_ENTRY + name for name in names])
        return {key[len(_ENTRY) :]: _DECODER.decode(value) for key, value in found.items()}

    def due(self, partition: int) -> Iterator[tuple[int, Name]]:
        """Everything in the index, the earliest first."""
        for key, _ in self.table.items_of(partition):
            if not key.startswith(_DUE):
                return  # the index sorts before everything else
            yield int(key[len(_DUE) : len(_DUE) + _DIGITS]), key[len(_DUE) + _DIGITS + len(_BETWEEN) :]

    def write(self, step: Step, name: Name, before: Entry | None, after: Entry) -> None:
        """Put a changed entry into a step."""
        step.change(self.table, _ENTRY + name, _ENCODER.encode(after))
        old = None if before is None else before.due
        if old != after.due:
            if old is not None:
                step.change(self.table, _index(old, name), None)
            if after.due is not None:
                step.change(self.table, _index(after.due, name), b"")


def _index(due: int, name: Name) -> bytes:
    return _DUE + b"%020d" % due + _BETWEEN + name
