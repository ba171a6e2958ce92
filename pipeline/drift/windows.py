"""Tells when an optional field is not sent any more.

One body without an optional field says nothing; many in a row after many with it do. The rule looks at the newest
bodies of one event type in one partition, in the order of the partition: it holds when the newest ``run`` bodies all
lack the field and at least ``share`` of the ``before`` bodies ahead of them had it. A null counts as not sent.

This is a rule over a window, so it depends on the order of the records, unlike everything else about drift. The order
within a partition is fixed by Kafka, and records that are read again are told by their offset and skipped, so it
always comes to the same result. It is blind while fewer than ``before + run`` bodies were seen, and to a field that
most bodies never had. A topic that was deleted and made anew starts at offset 0 again: then the state has to go, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class WindowRule:
    """Bodies ``before`` the silence, the share of them that had the field, and the ``run`` of bodies without it."""

    before: int = 100
    run: int = 50
    share: float = 0.8

    @property
    def size(self) -> int:
        """Bodies that are remembered."""
        return self.before + self.run

    def holds(self, history: int) -> bool:
        """Whether a field has stopped; ``history`` has one bit per body, the newest lowest."""
        return not history & ((1 << self.run) - 1) and (history >> self.run).bit_count() >= self.share * self.before


@dataclass(slots=True)
class Window:
    """The newest bodies of one event type in one partition.

    ``next_offset`` is the first offset that is not counted yet. ``seen`` counts bodies up to the window's size.
    ``history`` has one bit per body and field, set where the field held something.
    """

    next_offset: int = 0
    seen: int = 0
    history: dict[str, int] = field(default_factory=dict)

    def take(self, rule: WindowRule, offset: int, optional: Iterable[str], present: frozenset[str]) -> list[str]:
        """Count one body; returns the fields that have stopped as of it.

        A body that was counted before changes nothing. ``optional`` are the fields to watch, ``present`` those that the
        body holds.
        """
        if offset < self.next_offset:
            return []
        self.next_offset = offset + 1
        self.seen = min(self.seen + 1, rule.size)
        mask = (1 << rule.size) - 1
        self.history = {name: ((self.history.get(name, 0) << 1) | (name in present)) & mask for name in optional}
        if self.seen < rule.size:
            return []
        return [name for name, history in self.history.items() if rule.holds(history)]


def encode_window(window: Window) -> bytes:
    """The window as it stands in the table: JSON, histories as hexadecimal numbers."""
    history: Mapping[str, str] = {name: f"{bits:x}" for name, bits in window.history.items()}
    return orjson.dumps({"next_offset": window.next_offset, "seen": window.seen, "history": history})


def decode_window(stored: bytes | None) -> Window:
    """The window of a table's value; an empty one where there is none."""
    if stored is None:
        return Window()
    found = orjson.loads(stored)
    history = {name: int(bits, 16) for name, bits in found["history"].items()}
    return Window(found["next_offset"], found["seen"], history)
