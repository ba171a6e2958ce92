"""The table of alerts: what is open, and an index of the times at which something will change without an event.

Two kinds of keys in one table, so that one write keeps both in step: ``s{kind}|{key}`` holds the open alerts of a
thing, ``d{time}|{kind}|{key}`` enters it in the index. Times are microseconds in 20 digits, so the index sorts by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import structlog

from pipeline import metrics, topics
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.domain import KINDS, KINDS_BY_NAME, Key, Recorded, decode_recorded, encode_alert, encode_recorded
from pipeline.domain.alerts import Review
from pipeline.domain.limits import SWEPT_AT_ONCE
from pipeline.engine import Outgoing, SliceTable, Step

log = structlog.get_logger(__name__)

_DUE, _SUBJECT, _BETWEEN = b"d", b"s", b"|"


class AlertBook:
    """Reads and changes the table."""

    def __init__(self, table: SliceTable) -> None:
        self.table = table

    def recorded(self, partition: int, keys: Iterable[Key]) -> Mapping[Key, Recorded]:
        """What was kept of each."""
        names = {key: _SUBJECT + _subject(key) for key in keys}
        found = self.table.read(partition, list(names.values()))
        return {key: decode_recorded(found.get(name)) for key, name in names.items()}

    def due(self, partition: int, now: int) -> dict[Key, int]:
        """Things whose time has come by ``now``, and that time; the earliest, as many as are swept at once."""
        return dict(islice(self._waiting(partition, now), SWEPT_AT_ONCE))

    def _waiting(self, partition: int, now: int) -> Iterator[tuple[Key, int]]:
        for name, _ in self.table.items_of(partition):
            if not name.startswith(_DUE):
                return  # the index sorts before everything else
            time, kind, key = name[len(_DUE) :].split(_BETWEEN, 2)
            if int(time) > now:
                return
            yield KINDS_BY_NAME[kind.decode()].key.parse(key.decode()), int(time)

    def write(self, step: Step, key: Key, before: Recorded, review: Review) -> None:
        """Put what a review came to into a step: the records, what is kept, the index."""
        beforehand = review.beforehand(before)
        if beforehand is not None:
            step.change_beforehand(self.table, _SUBJECT + _subject(key), encode_recorded(beforehand))
        for alert in review.alerts:
            step.send(topics.ALERTS, Outgoing(alert.id.encode(), encode_alert(alert), JSON_HEADERS))
        if review.withheld:
            metrics.ALERTS_WITHHELD.labels(KINDS[type(key)].name).inc(review.withheld)
            log.warning("more alerts than are opened of one thing", key=key.text, withheld=review.withheld)
        after, subject = review.recorded, _subject(key)
        if after != before:
            step.change(self.table, _SUBJECT + subject, encode_recorded(after))
        if after.due != before.due:
            if before.due is not None:
                step.change(self.table, _entry(before.due, subject), None)
            if after.due is not None:
                step.change(self.table, _entry(after.due, subject), b"")

    def strike(self, step: Step, key: Key, due: int) -> None:
        """Take a thing out of the index, of which there is nothing to review."""
        step.change(self.table, _entry(due, _subject(key)), None)


def _subject(key: Key) -> bytes:
    return _BETWEEN.join((KINDS[type(key)].name.encode(), key.text.encode()))


def _entry(due: int, subject: bytes) -> bytes:
    return _DUE + b"%020d" % due + _BETWEEN + subject
