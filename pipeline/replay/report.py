"""What a replay would do, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pipeline.events.envelope import read_envelope
from pipeline.replay.comparison import Change, Compared, Difference, Status
from pipeline.replay.plan import Plan

MOST_SHOWN = 500
"""Keys whose differences are printed for people; JSON has all of them."""
_WIDTH = 12


@dataclass
class Summary:
    """The keys of a plan in numbers."""

    selected: int
    passed: int
    keys: int = 0
    lacking: int = 0
    """Events that their states lack and that would change them."""
    failing: int = 0
    records: int = 0
    """Enriched records that are not as they would be."""
    parked: int = 0
    targets: dict[str, Counter[Status]] = field(default_factory=dict)

    def add(self, compared: Compared) -> None:
        """Count a key."""
        self.keys += 1
        self.lacking += len(compared.events)
        self.failing += len(compared.failing)
        self.records += bool(compared.record)
        self.parked += compared.letter is not None
        for target, found in compared.targets.items():
            self.targets.setdefault(target, Counter())[found.status] += 1

    def json(self) -> dict[str, Any]:
        return {
            "events_selected": self.selected,
            "records_without_state": self.passed,
            "keys": self.keys,
            "events_to_fold": self.lacking,
            "events_that_cannot_be_folded": self.failing,
            "enriched_records_that_differ": self.records,
            "parked_keys": self.parked,
            "targets": {
                target: {status.value: counts[status] for status in Status} for target, counts in self.targets.items()
            },
        }

    def lines(self) -> Iterable[str]:
        """For people."""
        yield f"{self.selected} events of {self.keys} keys" + (
            f"; {self.passed} more records have no state" if self.passed else ""
        )
        if self.lacking:
            yield f"{self.lacking} events are not in the state of their key and would be folded"
        if self.failing:
            yield f"{self.failing} events are in no state and cannot be folded"
        if self.records:
            yield f"{self.records} enriched records would be published again"
        if self.parked:
            yield f"{self.parked} keys are parked and left alone; see 'norce-pipeline dead-letters list'"
        for target, counts in sorted(self.targets.items()):
            yield f"{target}: " + ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])


def summarize(plan: Plan) -> Summary:
    """The numbers of a plan."""
    summary = Summary(plan.events, plan.passed)
    for compared in plan.compared():
        summary.add(compared)
    return summary


def print_differences(plan: Plan) -> None:
    """Print what differs, key by key, and the numbers."""
    summary, shown = Summary(plan.events, plan.passed), 0
    for compared in plan.compared():
        summary.add(compared)
        if compared.differs:
            shown += 1
            if shown <= MOST_SHOWN:
                print(*_lines(compared), sep="\n")
    if shown > MOST_SHOWN:
        print(f"and {shown - MOST_SHOWN} keys more; --json has all of them")
    print(*summary.lines(), sep="\n")


def write_json(plan: Plan) -> None:
    """Print one JSON object: ``keys`` with what differs, and ``summary``. Written as it is found out."""
    summary, before = Summary(plan.events, plan.passed), ""
    print('{"keys": [', end="")
    for compared in plan.compared():
        summary.add(compared)
        if compared.differs:
            print(before, json.dumps(_document(compared)), sep="\n", end="")
            before = ","
    print(f'\n],\n"summary": {json.dumps(summary.json())}}}')


def _document(compared: Compared) -> dict[str, Any]:
    return {
        "kind": compared.kind,
        "key": compared.key.text,
        "parked_behind": compared.letter,
        "events_to_fold": [_id(event.headers) for event in compared.events],
        "events_that_cannot_be_folded": [
            {"event_id": _id(event.headers), "error": why} for event, why in compared.failing
        ],
        "enriched_fields_that_differ": list(compared.record),
        "targets": {target: _difference(found) for target, found in compared.targets.items()},
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "status": found.status.value,
        "sent_is_known": found.kept,
        "changes": [{"field": change.field, "sent": change.sent, "now": change.now} for change in found.changes],
    }


def _lines(compared: Compared) -> Iterable[str]:
    yield f"{compared.kind} {compared.key.text}"
    if compared.letter is not None:
        yield f"  parked behind dead letter {compared.letter}: release or drop it first"
    for event in compared.events:
        yield f"  {'fold':<{_WIDTH}}{_id(event.headers)}, from {event.topic}/{event.partition} offset {event.offset}"
    for event, why in compared.failing:
        yield f"  {'cannot fold':<{_WIDTH}}{_id(event.headers)}: {why}"
    if compared.record:
        yield f"  {'enriched':<{_WIDTH}}{', '.join(compared.record)}"
    for target, found in compared.targets.items():
        lost = "" if found.kept else "; norce.updates has forgotten what was sent"
        yield f"  {target:<{_WIDTH}}{found.status}{lost}"
        for change in found.changes:
            yield f"    {_change(change, known=found.kept)}"


def _change(change: Change, *, known: bool) -> str:
    was = _text(change.sent) if known else "?"
    return f"{change.field}: {was} → {_text(change.now)}"


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _id(headers: Iterable[tuple[str, bytes]]) -> str:
    return read_envelope(headers).event_id
