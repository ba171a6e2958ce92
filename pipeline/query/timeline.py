"""What happened to one order, from Norce's first event to the last call to Norce.

Facts come from the order's state. What followed from them is read from the topics, of the order's partition alone and
from the time of its first event on: updates, every call that was made for them, how they ended, dead letters, alerts.
Those topics keep records for a limited time; facts stay.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from connectors.norce.calls import FIRST
from pipeline import topics
from pipeline.audit.reading import Place, Reader, Span, reader
from pipeline.audit.snapshot import MARGIN, TARGETS, Groups
from pipeline.calls import UpdateCalls, decode_calls
from pipeline.domain import ConnectUpdate, UnreadableUpdate, decode_update, holdings
from pipeline.domain.facts import AnyFact, PaymentReceived
from pipeline.domain.state import State
from pipeline.domain.times import microseconds, rfc3339
from pipeline.framing import unframed
from pipeline.ledger.records import LedgerEntry
from pipeline.query.things import Thing, when
from pipeline.settings import KafkaSettings

MAX_SECONDS = 15.0
"""After so long the timeline is shown as far as it was read, and says that it is not complete."""
BYTES_PER_SECOND = 64 * 1024**2

_LEDGER = msgspec.json.Decoder(LedgerEntry)
_SAYS = {
    "delivered": "Norce took it",
    "no_order": "Norce has no such order on that side",
    "dead": "Norce refused it; it is in the dead letters",
    "unchanged": "Norce was told the same before",
    "superseded": "a newer update took its place",
}
_CALLED = ("delivered", "no_order", "dead")
"""How an update ends that Norce was called for."""
_HOW = {
    "released": "was released",
    "dropped": "was given up on",
    "still_failing": "was tried again and still failed",
    "replayed": "was replayed",
}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    at: str
    what: str
    """fact, duplicate, lookup, update, call, outcome, not_sent, alert, dead_letter or resolution."""
    title: str
    text: str
    details: dict[str, Any]


@dataclass
class Timeline:
    """What happened, in the order of time."""

    entries: list[Entry]
    complete: bool = True


def facts(state: State) -> Iterator[Entry]:
    """Every delivery that the state knows, and the last answer to a look-up."""
    for fact, receipts in state.facts:
        for holding in holdings(State(((fact, receipts),))):
            yield Entry(
                at=rfc3339(holding.receipt.received_at),
                what="fact" if holding.first else "duplicate",
                title=holding.event_type,
                text=_words(fact) if holding.first else "a further delivery of something known; nothing changed",
                details={**_said(fact), "event_id": holding.receipt.event_id},
            )
    if state.answer is not None:
        yield Entry(
            at=rfc3339(state.answer.at),
            what="lookup",
            title="Norce answered a look-up",
            text="totals and lines are shown from it",
            details={},
        )


def timeline(thing: Thing, kafka: KafkaSettings, groups: Groups) -> Timeline:
    """The timeline of an order. Takes as long as reading its partition takes; for a thread.

    Raises:
        BrokerUnreachable, TopicMissing
    """
    found = Timeline(list(facts(thing.state)))
    found.entries += _parked(thing)
    first = min((entry.at for entry in found.entries), default=None)
    with reader(kafka, BYTES_PER_SECOND) as source:
        gathering = _Gathering(thing.key.text, {groups.sink(target): target for target in TARGETS})
        spans = _spans(source, thing.partition, first)
        # How updates ended is said by their offsets, so these have to be known first.
        ledger = [span for span in spans if span.place.topic == topics.LEDGER]
        found.complete = gathering.read(source, [span for span in spans if span not in ledger])
        found.complete = gathering.read(source, ledger) and found.complete
    found.entries += gathering.entries()
    found.entries.sort(key=lambda entry: entry.at)
    return found


def _said(fact: AnyFact) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(fact).items() if value not in (None, "")}


def _words(fact: AnyFact) -> str:
    """What a fact says, for people. Ids are in the details."""
    said = _said(fact)
    if isinstance(fact, PaymentReceived):
        paid = " ".join(said[name] for name in ("amount", "currency_code") if name in said) or "an amount not named"
        method = f" by {fact.payment_method_code}" if fact.payment_method_code else ""
        return f"{paid}{method}, payment {fact.payment_code}"
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items() if not name.endswith("_id"))


def _parked(thing: Thing) -> Iterator[Entry]:
    head = thing.parked
    if head is not None:
        yield Entry(
            at=when(head.since),
            what="dead_letter",
            title=f"{head.event_type} cannot be joined",
            text=f"{head.reason}; {head.waiting} later events wait behind it",
            details={"letter": head.letter, "error": head.error, "event_id": head.event_id, "waiting": head.waiting},
        )


def _spans(source: Reader, partition: int, first: str | None) -> list[Span]:
    """What to read: of topics that delete, only what is not older than the order; of the alerts, which compact, all."""
    names = (topics.UPDATES, topics.CALLS, topics.LEDGER, topics.DEAD_LETTERS, topics.RESOLUTIONS, topics.ALERTS)
    places = [place for place in source.places(names) if place.partition == partition]
    starts: dict[Place, int | None] = {}
    if first is not None:
        later = [place for place in places if place.topic != topics.ALERTS]
        starts = dict(source.offsets_at(later, microseconds(first) // 1000 - MARGIN))
    return [
        Span(place, end if (start := starts.get(place, begin)) is None else max(start, begin), end)
        for place, (begin, end) in source.ends(places).items()
    ]


@dataclass
class _Gathering:
    """Picks what is about one order."""

    key: str
    sinks: dict[str, str]
    """Consumer group to target."""
    updates: dict[int, tuple[int, Any]] = field(default_factory=dict)
    ends: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    others: list[Entry] = field(default_factory=list)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: dict[bytes, UpdateCalls] = field(default_factory=dict)
    """By the bytes of their record: one that is on the topic twice, as after a move of the topic, is shown once."""

    def read(self, source: Reader, spans: Iterable[Span]) -> bool:
        """Whether everything was read."""
        until = time.monotonic() + MAX_SECONDS
        take = {
            topics.UPDATES: self._update,
            topics.CALLS: self._called,
            topics.LEDGER: self._ended,
            topics.DEAD_LETTERS: self._letter,
            topics.RESOLUTIONS: self._resolution,
            topics.ALERTS: self._alert,
        }
        for record in source.read(spans, lambda count: None):
            take[record.topic()](record)
            if time.monotonic() > until:
                return False
        return True

    def entries(self) -> Iterator[Entry]:
        """Calls before ends: of the same millisecond a call comes first."""
        for made in self.calls.values():
            yield from _calls(made)
        for offset, (at, update) in self.updates.items():
            target = str(type(update).__struct_config__.tag)
            yield Entry(
                at=when(at),
                what="update",
                title=f"Update for {target.capitalize()}",
                text=_content(update),
                details={"target": target, "update_id": update.id, "version": update.version},
            )
            for writer, sink in self.sinks.items():
                end = self.ends.get((writer, offset))
                if sink == target and end is not None:
                    ended_at, outcome = end
                    yield Entry(
                        at=when(max(at, ended_at)),
                        what="outcome" if outcome in _CALLED else "not_sent",
                        title=f"{target.capitalize()}: {outcome.replace('_', ' ')}",
                        text=_SAYS.get(outcome, ""),
                        details={"target": target, "outcome": outcome, "update_id": update.id},
                    )
        yield from self.others
        for alert in self.alerts.values():
            yield from _alert(alert)

    def _update(self, record: Any) -> None:
        if record.key() == self.key.encode():
            try:
                update = decode_update(unframed(record.value() or b""))
            except UnreadableUpdate:
                return
            self.updates[record.offset()] = record.timestamp()[1], update

    def _called(self, record: Any) -> None:
        value = record.value()
        if record.key() == self.key.encode() and value is not None:
            self.calls[value] = decode_calls(value)

    def _ended(self, record: Any) -> None:
        """How the updates ended. The last entry about an offset stands."""
        if record.key() != topics.UPDATES.encode():
            return
        entry = _LEDGER.decode(unframed(record.value() or b""))
        if entry.writer in self.sinks:
            for outcome, ranges in entry.outcomes.items():
                for offset in self.updates:
                    if any(first <= offset <= last for first, last in ranges):
                        self.ends[entry.writer, offset] = record.timestamp()[1], outcome

    def _letter(self, record: Any) -> None:
        letter = self._mine(record)
        if letter is not None and letter.get("stage") != "join":
            self.others.append(
                Entry(
                    at=when(record.timestamp()[1]),
                    what="dead_letter",
                    title=f"{str(letter.get('stage', '')).capitalize()} refused an update",
                    text=str(letter.get("reason", "")),
                    details={"letter": letter.get("id"), "error": letter.get("error"), "stage": letter.get("stage")},
                )
            )

    def _resolution(self, record: Any) -> None:
        found = self._mine(record)
        how = None if found is None else _HOW.get(str(found.get("how")))
        if found is not None and how is not None:
            said = {name: found.get(name) for name in ("letter", "by", "reason")}
            self.others.append(
                Entry(
                    at=when(record.timestamp()[1]),
                    what="resolution",
                    title=f"{'A dead letter' if found.get('letter') else 'The order'} {how}",
                    text=f"by {found.get('by')}: {found.get('reason')}",
                    details={name: value for name, value in said.items() if value},
                )
            )

    def _alert(self, record: Any) -> None:
        value = unframed(record.value() or b"")
        if self.key.encode() in value:
            alert = orjson.loads(value)
            if self.key in (alert.get("order_key"), alert.get("subject_key")):
                self.alerts[alert["id"]] = alert

    def _mine(self, record: Any) -> dict[str, Any] | None:
        if record.key() != self.key.encode() or record.value() is None:
            return None
        found = orjson.loads(unframed(record.value()))
        return found if isinstance(found, dict) else None


def _content(update: Any) -> str:
    if isinstance(update, ConnectUpdate):
        return ", ".join(f"{info.code} = {info.value}" for info in update.content.infos)
    return ", ".join(f"{name} = {_plain(value)}" for name, value in update.content.attributes.items())


def _plain(value: Any) -> str:
    """An attribute's value for people: of a sum its currency too."""
    if isinstance(value, dict):
        return " + ".join(f"{amount} {currency}" for currency, amount in value.items())
    return " ".join(value) if isinstance(value, list) else str(value)


def _calls(made: UpdateCalls) -> Iterator[Entry]:
    about = {"target": made.target, "update_id": made.update_id, "version": made.version}
    for number, call in enumerate(made.calls, start=1):
        answered = "no answer" if call.status is None else f"answered {call.status}"
        why = f": {call.reason}" if call.reason and call.reason != f"Norce answered {call.status}" else ""
        yield Entry(
            at=call.at,
            what="call",
            title=f"{call.api.capitalize()}: {call.operation}",
            text=f"{answered} after {_seconds(call.milliseconds)}{why}",
            details={**about, **msgspec.to_builtins(call)},
        )
        if made.left_out and number == FIRST:
            yield Entry(
                at=call.at,
                what="call",
                title=f"{made.target.capitalize()}: {made.left_out:,} more calls",
                text="not kept: of so many calls for one update only the first and the last are",
                details={**about, "left_out": made.left_out},
            )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _alert(alert: dict[str, Any]) -> Iterator[Entry]:
    kind = str(alert["kind"]).replace("_", " ")
    details = {"kind": alert["kind"], "severity": alert["severity"], **(alert.get("details") or {})}
    yield Entry(at=alert["opened_at"], what="alert", title=f"Alert opened: {kind}", text="", details=details)
    if alert.get("closed_at"):
        closed = alert.get("closed_by") or {}
        by = closed.get("event_type") or closed.get("cause") or ""
        yield Entry(
            at=alert["closed_at"], what="alert", title=f"Alert closed: {kind}", text=f"by {by}", details=details
        )
