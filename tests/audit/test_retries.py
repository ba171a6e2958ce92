"""The audit of bodies in quarantine that were retried, on made-up topics: no broker is needed to balance them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.webhook.event_types import Requested
from connectors.webhook.records import Record, RecordFactory
from pipeline import topics
from pipeline.audit.course import Request, compare
from pipeline.audit.database import database
from pipeline.audit.evidence import Evidence
from pipeline.audit.reading import Place, Span
from pipeline.audit.snapshot import Groups, Period, Snapshot
from pipeline.domain import Arrival, OrderKey, advance
from pipeline.events import Reason, UnusableBody
from pipeline.ledger import LedgerEntry
from pipeline.progress import Silent
from pipeline.quarantine.entries import Entry
from pipeline.quarantine.retries import Outcome, Published, Retry, encode_retry
from pipeline.quarantine.retrying import Rules, event_of

GROUPS = Groups("worker", "connect", "checkout")
EVENTS, ENTRIES = Place("norce.events.order", 0), Place(topics.QUARANTINE, 0)
RECEIVED = datetime(2026, 1, 5, 12, 0, 0, 123457, tzinfo=UTC)
HOUR = 3_600_000
THEN = int(RECEIVED.timestamp() * 1000)
NOW = THEN + 100 * HOUR
BODY = json.dumps({"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "Source": "WEB"}).encode()


@dataclass
class Found:
    """What an audit found: id to problem, ids that are pending, and counts."""

    problems: dict[str, str]
    pending: list[str]
    counts: dict[tuple[str, str, int], int]


@dataclass
class Topics:
    """What is on the topics of a small system: one body in quarantine and whatever followed."""

    entry: Entry
    kept: Record
    events: list[tuple[int, Record]] = field(default_factory=list)
    """Kafka's time, and record."""
    words: list[Retry] = field(default_factory=list)
    joined: int = 0
    begins: int = 0
    """First event that is still there."""

    def publish(self, *, settled: bool = True, **headers: bytes) -> Published:
        """The body's event."""
        record = event_of(self.entry, Rules())
        changed = [(name, headers.get(name, value)) for name, value in record.headers]
        self.events.append((NOW, replace(record, headers=changed)))
        self.joined += settled
        return Published(topic=EVENTS.topic, partition=0, offset=len(self.events) - 1)

    def say(self, outcome: Outcome, event: Published | None = None) -> None:
        retry = Retry(
            command="c",
            by="somebody",
            partition=0,
            offset=self.entry.offset,
            event_id=self.entry.id,
            received_at=THEN,
            event_type="OrderReceivedEvent",
            outcome=outcome,
            event=event,
            refusal=None,
            at=NOW,
        )
        self.words.append(retry)

    def audit(self, folder: Path, period: Period = Period()) -> Found:  # noqa: B008 - it is frozen
        snapshot = self._snapshot(period)
        request = Request(period, bucket=HOUR, folder=folder)
        with database(folder) as rows:
            evidence = Evidence(rows, snapshot, GROUPS, period)
            evidence.retries(Read(topics.QUARANTINE_RETRIES, n, NOW, "", encode_retry(w)) for n, w in self._numbered())
            snapshot = snapshot.reaching(evidence.published)
            evidence.reach(snapshot)
            evidence.ledger(self._ledger())
            evidence.states(self._states("stored"))
            evidence.enriched(self._states("record"))
            evidence.quarantine(self._entries())
            evidence.sources(self._sources(snapshot.sources))
            evidence.begun([])
            evidence.finish()
            report = compare(rows, request, Silent(), NOW)
            return Found(
                {problem.id: problem.problem for problem in report.problems()},
                [problem.id for problem in report.waiting()],
                {
                    (about, ended, bucket): count
                    for (about, bucket), ends in report.events.counts.items()
                    for ended, count in ends.items()
                    if count
                },
            )

    def _numbered(self) -> Iterator[tuple[int, Retry]]:
        return iter(enumerate(self.words))

    def _snapshot(self, period: Period) -> Snapshot:
        none: Sequence[Span] = ()
        times = [time for time, _ in self.events]
        stop = len(times) if period.end is None else sum(time < period.end + HOUR for time in times)
        return Snapshot(
            worker={EVENTS: self.joined},
            sinks={},
            ledger=none,
            letters=none,
            states=none,
            sent={},
            enriched=none,
            updates=none,
            quarantine=none,
            retries=none,
            sources=[Span(EVENTS, self.begins, stop)],
            moving=none,
            begun={EVENTS: self.begins} if self.begins else {},
        )

    def _entries(self) -> Iterator[Any]:
        yield Read(topics.QUARANTINE, self.entry.offset, self.kept.timestamp, "", BODY, self.kept.headers)

    def _sources(self, spans: Sequence[Span]) -> Iterator[Any]:
        for offset, (time, record) in enumerate(self.events):
            if any(span.start <= offset < span.stop for span in spans):
                yield Read(EVENTS.topic, offset, time, (record.key or b"").decode(), record.value, record.headers)

    def _ledger(self) -> Iterator[Any]:
        if self.joined:
            outcomes = {"applied": [[0, self.joined - 1]]}
            entry = LedgerEntry(writer="worker", topic=EVENTS.topic, partition=0, outcomes=outcomes)
            yield Read(topics.LEDGER, 0, NOW, EVENTS.topic, entry.encode())

    def _states(self, part: str) -> Iterator[Any]:
        topic = topics.changelog("worker", "orders") if part == "stored" else topics.ORDERS_ENRICHED
        arrivals = [
            Arrival("OrderReceivedEvent", BODY, dict(record.headers)["ce_id"].decode(), self.entry.received_at)
            for _, record in self.events[: self.joined]
        ]
        done = advance(OrderKey(1, 2, "77"), None, arrivals)
        if arrivals:
            yield Read(topic, 0, NOW, "1:2:77", getattr(done, part))


class Read:
    """A record, as the Kafka client hands it out."""

    def __init__(
        self, topic: str, offset: int, time: int, key: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self._said = topic, offset, time, key, value, headers

    def topic(self) -> str:
        return self._said[0]

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._said[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, self._said[2]

    def key(self) -> bytes:
        return self._said[3].encode()

    def value(self) -> bytes:
        return self._said[4]

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self._said[5])


@pytest.fixture
def system() -> Topics:
    """One body in quarantine that fits by now."""
    factory = RecordFactory("/norce", mint=lambda: "kept", now=lambda: RECEIVED)
    refused = UnusableBody(Reason.WRONG_FIELDS, "not usable")
    kept = factory.quarantined(Requested(("OrderReceivedEvent",)), refused, BODY)
    record = SimpleNamespace(partition=0, offset=5, timestamp=THEN, headers=kept.headers, value=BODY)
    return Topics(Entry.of(record), kept)


BUCKET = THEN - THEN % HOUR
QUARANTINED = {("OrderReceivedEvent", "quarantined", BUCKET): 1}
APPLIED = {("OrderReceivedEvent", "applied", BUCKET): 1}
"""In the hour in which it was received, whenever it was retried."""
DAY = Period(THEN - 24 * HOUR, THEN + HOUR)
"""A time range that ends long before the retry."""


def test_a_body_that_nobody_retried_is_quarantined(system: Topics, tmp_path: Path) -> None:
    found = system.audit(tmp_path)
    assert (found.problems, found.pending, found.counts) == ({}, [], QUARANTINED)


@pytest.mark.parametrize("period", [Period(), DAY, Period(THEN)], ids=["all", "to", "from"])
def test_a_retried_body_is_counted_once_as_what_its_event_came_to(
    system: Topics, tmp_path: Path, period: Period
) -> None:
    system.say(Outcome.RETRYING)
    system.say(Outcome.RETRIED, system.publish())
    found = system.audit(tmp_path, period)
    assert (found.problems, found.pending, found.counts) == ({}, [], APPLIED)


def test_a_body_is_counted_at_the_very_time_at_which_its_event_is(system: Topics, tmp_path: Path) -> None:
    """Kafka's time of the body is rounded; a range that begins between the two would count both or neither."""
    system.kept = replace(system.kept, timestamp=THEN - 1)
    assert system.audit(tmp_path, Period(THEN)).counts == QUARANTINED
    system.say(Outcome.RETRIED, system.publish())
    assert system.audit(tmp_path, Period(THEN)).counts == APPLIED


def test_a_time_range_after_the_receipt_does_not_count_it(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRIED, system.publish())
    assert system.audit(tmp_path, Period(NOW - HOUR)).counts == {}


def test_an_event_that_was_published_twice_is_counted_once(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRYING)
    system.publish()
    system.say(Outcome.RETRYING)
    system.say(Outcome.RETRIED, system.publish())
    found = system.audit(tmp_path)
    assert (found.problems, found.pending, found.counts) == ({}, [], APPLIED)


def test_a_retry_whose_event_never_came_is_named(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRYING)
    system.say(Outcome.RETRIED, Published(topic=EVENTS.topic, partition=0, offset=0))
    found = system.audit(tmp_path)
    assert found.problems == {"kept": "is said to be retried and its event is on no event topic"}
    assert found.counts == {("OrderReceivedEvent", "unbalanced", BUCKET): 1}


def test_a_retry_whose_event_was_deleted_in_its_time_is_not(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRIED, system.publish())
    system.begins = 1
    found = system.audit(tmp_path)
    assert (found.problems, found.pending, found.counts) == ({}, [], {})


def test_a_retry_that_was_cut_short_before_its_event_is_pending(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRYING)
    found = system.audit(tmp_path)
    assert (found.problems, found.pending) == ({}, ["kept"])


@pytest.mark.parametrize("said", [[Outcome.RETRYING], []], ids=["announced", "nothing said"])
def test_a_retry_that_was_cut_short_after_its_event_balances(
    system: Topics, tmp_path: Path, said: list[Outcome]
) -> None:
    for outcome in said:
        system.say(outcome)
    system.publish()
    found = system.audit(tmp_path)
    assert (found.problems, found.pending, found.counts) == ({}, [], APPLIED)


def test_where_nobody_said_where_the_event_is_a_time_range_before_it_finds_no_fault(
    system: Topics, tmp_path: Path
) -> None:
    system.say(Outcome.RETRYING)
    system.publish()
    found = system.audit(tmp_path, DAY)
    assert (found.problems, found.pending) == ({}, ["kept"])


def test_an_event_that_waits_for_the_worker_is_pending_once(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRIED, system.publish(settled=False))
    found = system.audit(tmp_path)
    assert (found.problems, found.pending) == ({}, ["kept"])


def test_what_is_still_refused_is_quarantined(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.STILL_REFUSED)
    assert system.audit(tmp_path).counts == QUARANTINED


def test_a_word_less_than_retried_does_not_take_it_back(system: Topics, tmp_path: Path) -> None:
    system.say(Outcome.RETRIED, Published(topic=EVENTS.topic, partition=0, offset=0))
    system.say(Outcome.STILL_REFUSED)
    assert set(system.audit(tmp_path).problems) == {"kept"}


def test_the_same_id_from_another_origin_is_named(system: Topics, tmp_path: Path) -> None:
    system.publish(norce_retried_from=b"norce.quarantine/0/4")
    assert system.audit(tmp_path).problems == {"kept": "its id is on the topics more than once"}
