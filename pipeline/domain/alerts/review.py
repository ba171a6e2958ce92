"""Which alerts open, change and close, compared with what was open before, and when to look again.

What was open is kept beside the state (``Recorded``), with the time at which the thing is entered in the index of due
times. That entry may be earlier than needed, never later: so most changes of a thing leave the index alone, and whoever
comes too early enters it anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from pipeline.domain.alerts.catalogue import CATALOGUE, AlertKind
from pipeline.domain.alerts.conditions import Condition
from pipeline.domain.alerts.records import Alert, AlertState, ClosedBy, Closing
from pipeline.domain.errors import CorruptState
from pipeline.domain.ids import content_id
from pipeline.domain.limits import MAX_ALERTS
from pipeline.domain.times import rfc3339

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:norce-pipeline:alert")
_ENCODER = msgspec.json.Encoder()


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The open alerts of one thing, and when it is to be looked at again without an event."""

    due: int | None = None
    """Microseconds since 1970 UTC: its place in the index, ``None`` if it is not in there."""
    open: tuple[Alert, ...] = ()
    untold: tuple[str, ...] = ()
    """Ids of those among ``open`` of which nobody knows what was told last: a record was about to be written."""
    v: Literal[1] = 1


NOTHING = Recorded()
_DECODER = msgspec.json.Decoder(Recorded)


class Review(msgspec.Struct, frozen=True):
    """What a look at a thing's alerts comes to."""

    recorded: Recorded
    """What is to be kept; ``NOTHING`` needs no keeping."""
    alerts: tuple[Alert, ...]
    """The records to publish: those that opened, that changed, and that closed."""
    withheld: int = 0
    """What is wrong as well and is no alert yet, because ``MAX_ALERTS`` of the thing are open."""

    def beforehand(self, before: Recorded) -> Recorded | None:
        """What is to be kept before the records are published, instead of ``before``; ``None`` if that will do.

        Whoever publishes and dies must be known to have been about to, or what it told is forgotten. The next look may
        be at other events: one that finds nothing open never closes the alert, and one that finds it open as before
        does not take back that it was told to be closed.
        """
        merged = {alert.id: alert for alert in before.open}
        merged |= {alert.id: alert for alert in self.recorded.open if alert in self.alerts}
        told = {alert.id: None for alert in self.alerts if alert.id in merged}
        if not told:
            return None
        return msgspec.structs.replace(before, open=tuple(merged.values()), untold=tuple(told))


Name = tuple[AlertKind, str | None]
"""Kind and item: what tells one alert of a thing from another."""
Ended = Callable[[Name], tuple[Closing, int]]
"""What ended an alert, and when (microseconds)."""


def review(
    subject: str,
    subject_key: str,
    recorded: Recorded,
    found: Sequence[Condition],
    now: int,
    ended: Ended | None = None,
    *,
    from_index: bool = False,
) -> Review:
    """Compare what was open with what is.

    Arguments:
        subject: kind of thing, as the catalogue names it.
        subject_key: its key.
        recorded: what was kept after the last look.
        found: the thing's conditions.
        now: microseconds since 1970 UTC.
        ended: says which event ended an alert that neither time nor policy did; ``None`` if there was no event.
        from_index: the thing was looked up because its time in the index has come, so it is not in there any more.
    """
    known = {(alert.kind, alert.item): alert for alert in recorded.open}
    conditions = {(one.kind, one.item): one for one in found}
    still: list[Alert] = []
    said: list[Alert] = []
    wrong = {name: condition for name, condition in conditions.items() if condition.active(now)}
    room = MAX_ALERTS - len(wrong.keys() & known.keys())
    for name, condition in wrong.items():
        room -= name not in known
        if name in known or room >= 0:
            alert = _alert(subject, subject_key, condition, known.get(name))
            still.append(alert)
            if alert != known.get(name) or alert.id in recorded.untold:
                said.append(alert)
    for name, alert in known.items():
        if name not in wrong:
            if alert.id in recorded.untold:
                said.append(alert)
            closing, at = _end(conditions.get(name), now, ended, name)
            said.append(_closed(alert, closing, at))
    indexed = None if from_index else recorded.due
    return Review(Recorded(due=_due(found, now, indexed), open=tuple(still)), tuple(said), len(wrong) - len(still))


def passing(subject: str, subject_key: str, condition: Condition, closing: Closing, at: int) -> tuple[Alert, Alert]:
    """An alert that opened and closed between two looks: both records. ``at``, in microseconds, is when it closed."""
    alert = _alert(subject, subject_key, condition, None)
    return alert, _closed(alert, closing, at)


def alert_id(kind: str, subject: str, subject_key: str, item: str | None) -> str:
    """The id of an alert, and its key: the same whenever it opens again."""
    return content_id(_NAMESPACE, _ENCODER.encode([kind, subject, subject_key, item]))


def encode_alert(alert: Alert) -> bytes:
    """The JSON of the record on the alerts topic."""
    return _ENCODER.encode(alert)


def encode_recorded(recorded: Recorded) -> bytes | None:
    """What to store, ``None`` if there is nothing."""
    return None if recorded == NOTHING else _ENCODER.encode(recorded)


def decode_recorded(data: bytes | None) -> Recorded:
    """What ``encode_recorded`` wrote. Raises ``CorruptState``."""
    if data is None:
        return NOTHING
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CorruptState(f"{len(data)} bytes that are no record of open alerts") from None


def _alert(subject: str, subject_key: str, condition: Condition, known: Alert | None) -> Alert:
    """The open alert. What opened it stands, however its condition has moved on since."""
    return Alert(
        id=alert_id(condition.kind, subject, subject_key, condition.item) if known is None else known.id,
        kind=condition.kind,
        severity=CATALOGUE[condition.kind].severity,
        state=AlertState.OPEN,
        subject=subject,
        subject_key=subject_key,
        item=condition.item,
        order_key=condition.order_key,
        client_id=int(subject_key.partition(":")[0]),
        details=condition.details,
        opened_at=rfc3339(condition.due) if known is None else known.opened_at,
        opened_by=condition.opened_by if known is None else known.opened_by,
        closed_at=None,
        closed_by=None,
    )


def _closed(alert: Alert, closing: Closing, at: int) -> Alert:
    changed = {"state": AlertState.CLOSED, "closed_at": rfc3339(at), "closed_by": closing}
    return msgspec.structs.replace(alert, **changed)


def _end(condition: Condition | None, now: int, ended: Ended | None, name: Name) -> tuple[Closing, int]:
    if condition is not None and condition.ends is not None and condition.ends <= now:
        return Closing(cause=ClosedBy.TIME, event_type=None, event_id=None), condition.ends
    if ended is not None:
        return ended(name)
    return Closing(cause=ClosedBy.POLICY, event_type=None, event_id=None), now


def _due(found: Iterable[Condition], now: int, indexed: int | None) -> int | None:
    """The next moment at which time opens or closes something, or the earlier one that is in the index already."""
    moments = [one.due for one in found if one.due > now]
    moments += [one.ends for one in found if one.ends is not None and one.ends > now]
    if indexed is not None:
        moments.append(indexed)
    return min(moments, default=None)
