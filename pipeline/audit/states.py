"""The tables: the receipts in each state, and whether the enriched topic shows what the state comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pipeline.audit.database import Database
from pipeline.domain import KINDS_BY_NAME, DomainError, State, decode, enriched, holdings
from pipeline.events import EVENT_TYPES
from pipeline.framing import unframed

_COMPUTED = ("id", "version")
"""Fields of an enriched record that may differ: a change that shows nothing raises the version of the state alone."""


class States:
    """Looks at every state once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unpack(self) -> Iterator[int]:
        """Put the receipts of all states into a table, and name states that do not fit their enriched record.

        Yields how many are done now and then.
        """
        rows: list[tuple[Any, ...]] = []
        query = (
            "SELECT s.kind, s.key, s.partition, s.state, s.record, m.key IS NOT NULL FROM states s "
            "LEFT JOIN moving m ON m.key = s.key"
        )
        count = 0
        for kind, key, partition, stored, record, moving in self._database.rows(query):
            count += 1
            try:
                state = None if stored is None else decode(stored)
            except DomainError as error:
                self._problem(kind, key, f"the state is unreadable: {error}")
                continue
            rows += [] if state is None else _receipts(kind, key, partition, state)
            if not moving:
                for problem in _misfits(kind, key, state, record):
                    self._problem(kind, key, problem)
            if len(rows) > 5000:
                yield self._flush(rows, count)
                rows, count = [], 0
        yield self._flush(rows, count)
        self._database.run("CREATE INDEX receipts_by_id ON receipts (id, kind, key, first)")

    def _flush(self, rows: list[tuple[Any, ...]], count: int) -> int:
        self._database.put("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return count

    def _problem(self, kind: str, key: str, problem: str) -> None:
        self._database.problem(f"{kind} states", None, key, f"state of {kind} {key}", problem)


def _receipts(kind: str, key: str, partition: int, state: State) -> list[tuple[Any, ...]]:
    return [
        (
            each.receipt.event_id,
            kind,
            key,
            partition,
            EVENT_TYPES[each.event_type].topic,
            each.event_type,
            each.receipt.received_at,
            each.first,
        )
        for each in holdings(state)
    ]


def _misfits(kind: str, key: str, state: State | None, record: bytes | None) -> Iterable[str]:
    """What is wrong between a state and the newest enriched record."""
    if state is None or record is None:
        if record is not None:
            yield "there is an enriched record and no state"
        elif state is not None and state.facts:
            yield "there is a state and no enriched record"
        return
    try:
        view = KINDS_BY_NAME[kind].view(KINDS_BY_NAME[kind].key.parse(key), state)
        computed, published = enriched(view), unframed(record)
        if computed == published:
            return
        must, shown = msgspec.json.decode(computed), msgspec.json.decode(published)
    except (DomainError, ValueError) as error:
        yield f"the enriched record cannot be compared: {error}"
        return
    different = sorted(name for name in must.keys() & shown.keys() - set(_COMPUTED) if must[name] != shown[name])
    if different:
        yield f"the enriched record does not show what the state comes to: {', '.join(different)}"
    if shown.get("version", 0) > must["version"]:
        yield f"the enriched record has version {shown['version']}, the state {must['version']}"
