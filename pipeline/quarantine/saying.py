"""What operators are shown of the quarantine: for people, and as JSON for programs."""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import typer

from pipeline.dead_letters.masking import masked
from pipeline.quarantine.entries import Row
from pipeline.quarantine.retries import Retry
from pipeline.quarantine.retrying import Tried

COLUMNS = ("id", "ce_id", "received", "event type", "reason", "where", "state")


class Counted:
    """What a retry would come to, for the question before it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._taken = 0

    def take(self, tried: Tried) -> None:
        """Count one."""
        self._taken += tried.record is not None
        if tried.refusal is not None:
            self._counts[f"would still be refused: {tried.refusal.reason}"] += 1
        elif tried.record is not None:
            self._counts[f"would be published on {tried.record.topic}: {tried.event_type}"] += 1

    def ask(self) -> None:
        """Say it, and go on only if the operator agrees."""
        for says, count in sorted(self._counts.items()):
            print(f"{count}  {says}", file=sys.stderr)
        if self._taken:
            typer.confirm(f"Publish {self._taken} events?", abort=True, err=True)


class Printer:
    """Prints what each body came to, one after the other: there may be millions."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.count = 0
        self.refused = 0

    def take(self, tried: Tried) -> None:
        """Print one."""
        self.refused += tried.refusal is not None
        document = _outcome(tried)
        if self._as_json:
            print("," if self.count else "[", json.dumps(document, indent=2), sep="\n")
        else:
            print(f"{document['id']}  {document['event_type']}: {document['says']}")
        self.count += 1

    def close(self) -> None:
        """Nothing more comes."""
        if self._as_json:
            print("]" if self.count else "[]")


def _outcome(tried: Tried) -> dict[str, Any]:
    entry, refusal, event = tried.row.entry, tried.refusal, tried.event
    if refusal is not None:
        outcome, where = "still_refused", f" at {refusal.where}" if refusal.where else ""
        says = f"still refused, {refusal.reason}{where}: {refusal.detail}"
    elif event is not None:
        outcome, says = "retried", f"retried, {event.topic}/{event.partition} offset {event.offset}"
    elif tried.record is not None:
        outcome, says = "would_be_retried", f"would be published on {tried.record.topic}"
    else:
        outcome, says = "already_retried", "was retried before; --again publishes it once more"
    return {
        "id": entry.place,
        "ce_id": entry.id or None,
        "event_type": tried.event_type,
        "outcome": outcome,
        "event": None if event is None else msgspec.to_builtins(event),
        "refusal": None if refusal is None else msgspec.to_builtins(refusal),
        "says": says,
    }


def document(row: Row, retries: Sequence[Retry], *, reveal: bool) -> dict[str, Any]:
    """All of a body, for programs. Personal data is hidden unless ``reveal``."""
    return {
        **row.json(),
        "headers": row.entry.headers,
        "body": _body(row.entry.body, reveal=reveal),
        "retries": [msgspec.to_builtins(each) for each in retries],
    }


def columns(document: dict[str, Any]) -> dict[str, Any]:
    """A row of the list."""
    return {
        **document,
        "ce_id": document["ce_id"] or "-",
        "received": _time(document["received_at"]),
        "event type": document["event_type"] or "-",
        "where": document["where"] or "-",
    }


def _body(body: bytes, *, reveal: bool) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        shown = {"base64": base64.b64encode(body).decode()}
        return shown if reveal else masked(shown)
    return text if reveal else masked(text)


def tell(document: dict[str, Any], retries: Sequence[Retry]) -> None:
    """Print all of a body."""
    for name in ("id", "state", "event_type", "reason", "where", "detail", "bytes"):
        if document[name] != "":
            print(f"{name:<11} {document[name]}")
    print(f"{'received':<11} {_time(document['received_at'])}")
    print("headers:", *(f"{name}: {value}" for name, value in document["headers"].items()), sep="\n  ")
    body = document["body"]
    print(f"body:\n{body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)}")
    if retries:
        print("retries:", *map(_said, retries), sep="\n  ")


def _said(retry: Retry) -> str:
    said = f"{_time(retry.at)} {retry.outcome} by {retry.by}"
    if retry.event is not None:
        said += f", {retry.event_type} on {retry.event.topic}/{retry.event.partition} offset {retry.event.offset}"
    return said if retry.refusal is None else f"{said}, {retry.refusal.reason}: {retry.refusal.detail}"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
