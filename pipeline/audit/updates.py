"""What each derived update came to, held against what the sinks remember and the dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from pipeline.audit.database import Database
from pipeline.audit.tally import PENDING, UNBALANCED, Tally
from pipeline.ledger import UpdateOutcome

# Of each order and target, the newest update is the one with the highest version; of two equal ones the later stands.
# One that is read again after a crash is unchanged or superseded then, so what is remembered may be said to be that.
_JUDGED = """
CREATE TABLE judged AS
SELECT u.*, o.outcome AS outcome,
    u.version IS NOT NULL AND EXISTS (
        SELECT 1 FROM outcomes w WHERE w.place = u.place AND w.offset = u.offset
        AND w.writer = CASE u.target WHEN 'connect' THEN 'checkout' ELSE 'connect' END
    ) AS strange,
    EXISTS (SELECT 1 FROM letters l WHERE l.place = u.place AND l.offset = u.offset AND l.stage = u.target) AS letter,
    EXISTS (SELECT 1 FROM updates m WHERE m.target = u.target AND m.key = u.key AND NOT m.settled) AS moving,
    EXISTS (SELECT 1 FROM updates n WHERE n.target = u.target AND n.key = u.key
        AND (n.version, n.offset) > (u.version, u.offset)) AS followed
FROM updates u
LEFT JOIN outcomes o ON o.place = u.place AND o.writer = u.target AND o.offset = u.offset
"""
_SEEN = """
SELECT places.topic || '/' || places.partition || '@' || j.offset, j.time, j.target, j.id, j.settled, j.counted,
    j.outcome, j.strange, j.letter, j.moving, j.followed,
    j.outcome IN ('delivered', 'no_order') AND NOT EXISTS (
        SELECT 1 FROM judged n WHERE n.target = j.target AND n.key = j.key
        AND (n.outcome IN ('delivered', 'no_order') OR n.id = s.id AND n.outcome IN ('unchanged', 'superseded'))
        AND (n.version, n.offset) > (j.version, j.offset)),
    j.version, j.digest, s.id, s.version, s.digest
FROM judged j
JOIN places ON places.place = j.place
LEFT JOIN sent s ON s.target = j.target AND s.key = j.key
ORDER BY j.target, j.id, j.offset
"""
_KNOWN = frozenset(UpdateOutcome)
_RANK = {outcome: rank for rank, outcome in enumerate((*UpdateOutcome, PENDING, UNBALANCED))}


class Seen(NamedTuple):
    """One record of an update with everything that says how it ended."""

    source: str
    time: int
    target: str
    id: str
    settled: bool
    counted: bool
    outcome: str | None
    strange: bool
    """The other sink said something of it."""
    dead_letter: bool
    moving: bool
    """An update of the same order is not finished."""
    followed: bool
    """There is a newer one of the same order."""
    last_taken: bool
    """It is the newest one of the order that Norce was told."""
    version: int | None
    digest: str | None
    sent_id: str | None
    sent_version: int | None
    sent_digest: str | None


class Updates:
    """Judges every update. A record that is repeated after a crash is the same update; its best outcome counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def judge(self, tally: Tally) -> Iterator[int]:
        """Count every update and name the ones that do not balance. Yields how many records are done now and then."""
        self._database.run(_JUDGED)
        self._database.run("CREATE INDEX judged_by_key ON judged (target, key, version, offset, outcome)")
        done = 0
        seen = (Seen(*row) for row in self._database.rows(_SEEN))
        for _, records in groupby(seen, key=lambda each: (each.target, each.id)):
            repeats = list(records)
            done += len(repeats)
            ends = [self._ended(each) for each in repeats]
            counted = [each for each in repeats if each.counted]
            if counted:
                ended = UNBALANCED if UNBALANCED in ends else min(ends, key=_RANK.__getitem__)
                tally.count(counted[0].target, counted[0].time, ended)
            if done >= 1000:
                yield done
                done = 0
        yield done

    def _ended(self, seen: Seen) -> str:
        problems = list(_problems(seen))
        if problems and not seen.settled:
            problems, ended = [], PENDING
        else:
            ended = seen.outcome or PENDING
        if seen.counted:
            for problem in problems:
                self._database.problem(seen.target, seen.time, seen.id, seen.source, problem)
            if ended == PENDING and not problems:
                self._database.wait_for(seen.target, seen.time, seen.id, seen.source)
        return UNBALANCED if problems else ended


def _problems(seen: Seen) -> Iterable[str]:
    """What does not hold of an update, given that whatever follows from it is written."""
    if seen.strange:
        yield "has an outcome of a sink that it is not for"
    if seen.outcome is None:
        yield "is committed and has no outcome in the ledger"
    elif seen.outcome not in _KNOWN:
        yield f"has an outcome that does not exist: {seen.outcome}"
    elif seen.outcome == UpdateOutcome.DEAD:
        if not seen.dead_letter:
            yield "is said to be dead and is in no dead letter"
    elif seen.version is None:
        yield f"is unreadable and is said to be {seen.outcome}"
    elif not seen.moving:
        yield from _remembered(seen)


def _remembered(seen: Seen) -> Iterable[str]:
    """What the sink's memory of the order says against the outcome."""
    if seen.last_taken and seen.sent_id != seen.id:
        held = f"update {seen.sent_id}" if seen.sent_id else "nothing"
        yield f"is said to be {seen.outcome} and the sink remembers {held} of the order"
    if seen.outcome == UpdateOutcome.UNCHANGED and not seen.followed and seen.digest != seen.sent_digest:
        yield "is said to be unchanged and the sink remembers something else"
    if (
        seen.outcome == UpdateOutcome.SUPERSEDED
        and not seen.followed
        and (seen.sent_version or 0) <= (seen.version or 0)
    ):
        yield "is said to be superseded and nothing newer is there"
