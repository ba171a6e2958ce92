"""What each event came to, held against the tables and the dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pydantic import ValidationError

from pipeline import topics
from pipeline.audit.database import Database
from pipeline.audit.evidence import COPY, QUARANTINED, UNKNOWN
from pipeline.audit.tally import PENDING, UNBALANCED, Tally
from pipeline.domain import KINDS_BY_NAME, DomainError, Receipt, State, copies, decode, forgotten
from pipeline.domain.keys import SUBSCRIPTION_EVENT
from pipeline.events import EVENT_TYPES
from pipeline.ledger import EventOutcome
from pipeline.quarantine.retries import Outcome

# An event whose body was in quarantine first has one origin with it, and with itself if it was retried twice: of these
# records the first on the event topics is counted, and the others are counted there.
_TWICE = """
CREATE TABLE twice AS SELECT id FROM events WHERE role != 'copy' GROUP BY id
HAVING min(coalesce(origin, place || '@' || offset)) != max(coalesce(origin, place || '@' || offset))
"""
_SEEN = """
SELECT places.topic || '/' || places.partition || '@' || e.offset, e.time, e.role, e.type, e.id, e.kind, e.key,
    e.received_at, e.body, e.settled, o.outcome,
    (SELECT max(r.first) FROM receipts r WHERE r.id = e.id AND r.kind = e.kind AND r.key = e.key),
    EXISTS (SELECT 1 FROM letters l WHERE l.place = e.place AND l.offset = e.offset),
    twice.id IS NOT NULL,
    (SELECT t.outcome FROM retries t WHERE t.place = e.place AND t.offset = e.offset AND t.id = e.id AND NOT t.gone),
    e.origin IS NOT NULL AND EXISTS (
        SELECT 1 FROM events f WHERE f.id = e.id AND f.role = 'event' AND f.origin = e.origin
        AND (e.role = 'quarantined' OR (f.place, f.offset) < (e.place, e.offset)))
    OR EXISTS (SELECT 1 FROM retries t WHERE t.place = e.place AND t.offset = e.offset AND t.id = e.id AND t.gone)
FROM events e
JOIN places ON places.place = e.place
LEFT JOIN outcomes o ON o.place = e.place AND o.writer = 'worker' AND o.offset = e.offset
LEFT JOIN twice ON twice.id = e.id AND e.role != 'copy'
WHERE e.counted
"""
# A receipt says when its event was received, so whether the event can still be on its topic. What is in the table of
# subscriptions came from the events or from their copies. Where a retry was cut short nobody knows where its event is.
_UNHEARD = """
SELECT r.id, r.kind, r.key, r.type, r.received_at FROM receipts r
LEFT JOIN floors f ON f.topic = r.topic AND f.partition = r.partition
LEFT JOIN floors c ON r.kind = 'subscription' AND c.topic = ? AND c.partition = r.partition
WHERE r.received_at >= ? AND r.received_at < ?
    AND (f.topic IS NULL OR r.received_at > f.time * 1000) AND (c.topic IS NULL OR r.received_at > c.time * 1000)
    AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = r.id AND e.kind = r.kind AND e.key = r.key)
    AND NOT EXISTS (SELECT 1 FROM retries t WHERE t.id = r.id AND t.outcome = 'retrying')
"""

_LETTERS = frozenset({EventOutcome.DEAD, EventOutcome.POISON})
_HELD = frozenset({EventOutcome.APPLIED, EventOutcome.DUPLICATE})
_KNOWN = frozenset(EventOutcome)


class Seen(NamedTuple):
    """An event with everything that says how it ended."""

    source: str
    time: int
    role: str
    event_type: str
    id: str
    kind: str | None
    key: str
    received_at: int | None
    body: bytes | None
    settled: bool
    outcome: str | None
    first: int | None
    """Whether its receipt is the first of an occurrence; ``None`` if the state holds no receipt of it."""
    dead_letter: bool
    twice: bool
    retry: str | None
    """What became of a body in quarantine; ``None`` also if its event may be deleted by now."""
    elsewhere: bool
    """Another record stands for it: of a body in quarantine its event, of a repeated event the first one."""

    @property
    def about(self) -> str:
        return f"{self.event_type} (copy)" if self.role == COPY else self.event_type


class Events:
    """Judges every event."""

    def __init__(self, database: Database, types: frozenset[str]) -> None:
        self._database = database
        self._types = types
        self._state = lru_cache(maxsize=64)(self._read_state)

    def judge(self, tally: Tally) -> Iterator[int]:
        """Count every event and name the ones that do not balance. Yields the number done now and then."""
        self._database.run(_TWICE)
        self._database.run("CREATE UNIQUE INDEX twice_by_id ON twice (id)")
        done = 0
        for done, row in enumerate(self._database.rows(_SEEN), 1):
            seen = Seen(*row)
            if not self._types or seen.event_type in self._types:
                ended = self._ended(seen)
                if not seen.elsewhere:
                    tally.count(seen.about, seen.time, ended)
            if done % 1000 == 0:
                yield 1000
        yield done % 1000

    def unheard(self, start: int | None, end: int | None) -> None:
        """Name what a state holds of events that are on no topic although they were received in time to be there."""
        low, high = (start or 0) * 1000, (1 << 62) if end is None else end * 1000
        for id, kind, key, event_type, received_at in self._database.rows(
            _UNHEARD, (topics.SUBSCRIPTION_FAILURES, low, high)
        ):
            if not self._types or event_type in self._types:
                where = f"state of {kind} {key}"
                self._database.problem(event_type, received_at // 1000, id, where, "is in the state and on no topic")

    def _ended(self, seen: Seen) -> str:
        problems = list(self._problems(seen))
        if problems and not seen.settled:
            problems = []
            ended = PENDING
        elif seen.role == QUARANTINED:
            cut_short = seen.retry == Outcome.RETRYING and not seen.elsewhere
            ended = PENDING if cut_short else QUARANTINED
        else:
            ended = seen.outcome or PENDING
        if seen.twice:
            problems.append("its id is on the topics more than once")
        for problem in problems:
            self._database.problem(seen.about, seen.time, seen.id, seen.source, problem)
        if ended == PENDING and not problems:
            self._database.wait_for(seen.about, seen.time, seen.id, seen.source)
        return UNBALANCED if problems else ended

    def _problems(self, seen: Seen) -> Iterable[str]:
        """What does not hold of an event, given that whatever follows from it is written."""
        if seen.role == QUARANTINED:
            if seen.retry == Outcome.RETRIED and not seen.elsewhere:
                yield "is said to be retried and its event is on no event topic"
            return
        if seen.outcome is None:
            yield "is committed and has no outcome in the ledger"
        elif seen.outcome not in _KNOWN:
            yield f"has an outcome that does not exist: {seen.outcome}"
        elif seen.outcome in _HELD:
            yield from self._held(seen)
        elif seen.first is not None:
            yield f"is said to be {seen.outcome} and its state holds it"
        elif seen.outcome == EventOutcome.IGNORED:
            if seen.kind is not None or seen.event_type == UNKNOWN:
                yield "is said to be ignored and a state is kept of its type"
        elif seen.outcome in _LETTERS:
            if not seen.dead_letter:
                yield f"is said to be {seen.outcome} and is in no dead letter"
        elif seen.outcome == EventOutcome.STALE and not self._forgotten(seen):
            yield "is said to be stale and its state has room for it"

    def _held(self, seen: Seen) -> Iterable[str]:
        if seen.kind is None:
            yield f"is said to be {seen.outcome} and no state is kept of it"
        elif seen.first is None and not self._forgotten(seen):
            yield f"is said to be {seen.outcome} and is not in the state of {seen.kind} {seen.key}"
        elif seen.first and seen.outcome != EventOutcome.APPLIED:
            yield f"is said to be {seen.outcome} and is the first that its state heard of its fact"
        if seen.event_type == SUBSCRIPTION_EVENT and seen.role != COPY:
            yield from self._copied(seen)

    def _copied(self, seen: Seen) -> Iterable[str]:
        try:
            event = EVENT_TYPES[seen.event_type].model.model_validate_json(seen.body or b"")
            taken = KINDS_BY_NAME[seen.kind or ""].key.parse(seen.key)
        except (ValidationError, DomainError):
            yield f"is said to be {seen.outcome} and cannot be read"
            return
        for key, _ in copies(event, taken):
            found = self._database.one(
                "SELECT 1 FROM events WHERE id = ? AND kind = 'subscription' AND key = ? AND role = ?",
                (seen.id, key.text, COPY),
            )
            if found is None:
                yield f"has no copy for {key.text}"

    def _forgotten(self, seen: Seen) -> bool:
        """Whether the state has room only for newer ones of what the event says."""
        state = self._state(seen.kind, seen.key)
        if state is None or seen.body is None or seen.received_at is None:
            return False
        try:
            event = EVENT_TYPES[seen.event_type].model.model_validate_json(seen.body)
            return forgotten(state, event, Receipt(received_at=seen.received_at, event_id=seen.id))
        except (ValidationError, KeyError, ValueError):
            return False

    def _read_state(self, kind: str | None, key: str) -> State | None:
        found = self._database.one("SELECT state FROM states WHERE kind = ? AND key = ?", (kind, key))
        try:
            return None if found is None or found[0] is None else decode(found[0])
        except DomainError:
            return None  # named where the states are looked at
