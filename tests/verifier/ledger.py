"""How every record ended, read off the raw ledger topic. Shares no code with the pipeline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.verifier.expected import RawRecord


class Ended(NamedTuple):
    """An event, or an update for one target, and how it ended."""

    subject: str
    """Event type or target."""
    id: str
    outcome: str | None


def last_words(ledger: Iterable[RawRecord]) -> dict[tuple[str, str, int, int], str]:
    """Writer, topic, partition and offset to the outcome that was said last."""
    said: dict[tuple[str, str, int, int], str] = {}
    for record in ledger:
        entry: dict[str, Any] = json.loads(record.value or b"")
        for outcome, ranges in entry["outcomes"].items():
            for first, last in ranges:
                for offset in range(first, last + 1):
                    said[entry["writer"], entry["topic"], entry["partition"], offset] = outcome
    return said


def events(records: Iterable[RawRecord], ledger: Iterable[RawRecord], writer: str) -> list[Ended]:
    """Every event of the event topics."""
    said = last_words(ledger)
    found = []
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        outcome = said.get((writer, record.topic, record.partition, record.offset))
        found.append(Ended(headers["ce_type"].removeprefix("io.norce."), headers["ce_id"], outcome))
    return found


def updates(records: Iterable[RawRecord], ledger: Iterable[RawRecord], writers: dict[str, str]) -> list[Ended]:
    """Every update by its id; of one that was repeated after a crash the best outcome counts."""
    said = last_words(ledger)
    best: dict[tuple[str, str], str | None] = {}
    for record in records:
        update = json.loads(record.value or b"")
        target, id = update["target"], update["id"]
        outcome = said.get((writers[target], record.topic, record.partition, record.offset))
        order = ["delivered", "no_order", "dead", "unchanged", "superseded"]
        candidates = [each for each in (best.get((target, id)), outcome) if each is not None]
        best[target, id] = min(candidates, key=order.index) if candidates else None
    return [Ended(target, id, outcome) for (target, id), outcome in best.items()]


def counted(ends: Iterable[Ended]) -> Counter[tuple[str, str]]:
    """Subject and outcome to how many."""
    return Counter((end.subject, end.outcome or "pending") for end in ends)
