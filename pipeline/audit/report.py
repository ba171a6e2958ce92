"""The result of an audit, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TextIO

import orjson

from pipeline.audit.database import Database
from pipeline.audit.tally import PENDING, QUARANTINED, UNBALANCED, Tally
from pipeline.console import table
from pipeline.ledger import EventOutcome, UpdateOutcome

EVENT_COLUMNS = (*map(str, EventOutcome), QUARANTINED, PENDING, UNBALANCED)
UPDATE_COLUMNS = (*map(str, UpdateOutcome), PENDING, UNBALANCED)
WAITING_SHOWN = 20
"""Of what is pending, the oldest that people are shown. What does not balance is always shown in full."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not balance, or is pending. ``time`` is in milliseconds since 1970."""

    about: str
    """An event type, a target, or a kind of state."""
    time: int | None
    id: str
    source: str
    """Where it is: ``topic/partition@offset``, or the key of a state."""
    problem: str

    def describe(self) -> Mapping[str, Any]:
        return {
            "about": self.about,
            "at": None if self.time is None else _time(self.time),
            "id": self.id,
            "where": self.source,
            "problem": self.problem,
        }


class Report:
    """The balance. It reads from the audit's database, so it is good for as long as the audit is open.

    ``now`` is in milliseconds since 1970.
    """

    def __init__(self, database: Database, events: Tally, updates: Tally, now: int) -> None:
        self._database = database
        self.events = events
        self.updates = updates
        self._now = now

    @property
    def unbalanced(self) -> int:
        """Statements about what does not balance."""
        return self._count("problems")

    @property
    def pending(self) -> int:
        """Events and updates that have not ended yet."""
        return self._count("pending")

    def problems(self) -> Iterator[Problem]:
        """Everything that does not balance, oldest first."""
        for row in self._database.rows("SELECT * FROM problems ORDER BY about, time, id"):
            yield Problem(*row)

    def waiting(self) -> Iterator[Problem]:
        """Everything that is pending, oldest first, with its age."""
        for about, time, id, source in self._database.rows("SELECT * FROM pending ORDER BY time, id"):
            yield Problem(about, time, id, source, f"is pending for {_age(self._now - time)}")

    def balanced(self, *, settled: bool) -> bool:
        """Whether everything balances; ``settled`` says that nothing may be pending."""
        return not self.unbalanced and not (settled and self.pending)

    def print(self) -> None:
        """For people, on standard output."""
        for name, tally, columns in self._tables():
            rows = _rows(tally, columns)
            if rows:
                table(rows, name, "from", "received", *_used(rows, columns))
                print()
        for waiting in islice(self.waiting(), WAITING_SHOWN):
            _line(waiting)
        if self.pending > WAITING_SHOWN:
            print(f"and {self.pending - WAITING_SHOWN} more are pending")
        for problem in self.problems():
            _line(problem)
        events, updates = self.events.total(), self.updates.total()
        said = "balances" if not self.unbalanced else f"does not balance: {self.unbalanced} problem(s)"
        print(f"{events} events and {updates} updates, {self.pending} pending; the ledger {said}")

    def write_json(self, out: TextIO = sys.stdout) -> None:
        """For programs: one JSON object, written piece by piece."""
        head = {
            "balanced": self.balanced(settled=False),
            "pending": self.pending,
            **{f"{name}s": [dict(row) for row in _rows(tally, columns)] for name, tally, columns in self._tables()},
        }
        out.write(orjson.dumps(head).decode().removesuffix("}"))
        for name, found in (("problems", self.problems()), ("waiting", self.waiting())):
            out.write(f',"{name}":[')
            for number, each in enumerate(found):
                out.write(("," if number else "") + orjson.dumps(each.describe()).decode())
            out.write("]")
        out.write("}\n")

    def _tables(self) -> Iterable[tuple[str, Tally, tuple[str, ...]]]:
        return (("event", self.events, EVENT_COLUMNS), ("update", self.updates, UPDATE_COLUMNS))

    def _count(self, name: str) -> int:
        (count,) = self._database.one(f"SELECT count(*) FROM {name}") or (0,)  # noqa: S608 - one of two tables
        return int(count)


def _rows(tally: Tally, columns: Iterable[str]) -> list[dict[str, Any]]:
    name = "event" if QUARANTINED in columns else "update"
    return [
        {
            name: about,
            "from": _time(bucket),
            "received": sum(counts.values()),
            **{column: counts[column] for column in columns},
        }
        for (about, bucket), counts in sorted(tally.counts.items())
    ]


def _used(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> list[str]:
    """The columns that say something, and always what is wrong."""
    found = list(rows)
    return [name for name in columns if name in {PENDING, UNBALANCED} or any(row[name] for row in found)]


def _line(problem: Problem) -> None:
    time = "" if problem.time is None else f" ({_time(problem.time)})"
    print(f"{problem.about} {problem.id} at {problem.source}{time} {problem.problem}")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _age(milliseconds: int) -> str:
    seconds = max(milliseconds, 0) // 1000
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
