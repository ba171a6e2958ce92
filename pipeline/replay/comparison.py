"""What would follow from a key's state now, held against what was published and what Norce was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from pipeline.dead_letters.parked import Waiting
from pipeline.domain import (
    KINDS,
    Arrival,
    CheckoutContent,
    CheckoutUpdate,
    ConnectUpdate,
    DomainError,
    Key,
    OrderView,
    PushPolicies,
    State,
    Update,
    basket_id,
    decode,
    derive,
    encode,
    enriched,
    fold,
)
from pipeline.domain.projection import CheckoutFact
from pipeline.events.envelope import read_envelope
from pipeline.framing import unframed
from pipeline.sinks.memory import Sent, digest

MAX_EVENT_BYTES = 600_000
"""Bytes of an event above which no command could hold it. The connector takes a tenth of that."""
VERSION = CheckoutFact.VERSION.value
_COMPUTED = frozenset({"id", "version"})
"""Fields of an enriched record that alone make no difference."""


class Status(StrEnum):
    """What would be sent to one target, held against what was sent."""

    SAME = "same"
    """The target was told so."""
    DIFFERENT = "different"
    NEVER = "never sent"
    """The target took nothing of this order yet."""
    ON_ITS_WAY = "on its way"
    """The update lies on norce.updates and the sink has yet to come to it."""
    NEWER = "newer was sent"
    """The sink remembers a higher version than the state has, so it would pass the update over."""
    NOT_SENT = "no longer sent"
    """The policy has nothing to say now. Norce keeps what it was told: nothing takes that back."""


CHANGING = frozenset({Status.DIFFERENT, Status.NEVER})
"""What a replay sends."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; ``None`` is one that is not there."""

    field: str
    sent: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Told:
    """What one target was told of an order."""

    sent: Sent | None = None
    """What its sink remembers."""
    update: Update | None = None
    """That update, as long as norce.updates has it."""
    waiting: frozenset[str] = frozenset()
    """Ids of updates that the sink has yet to come to."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One target of one order. ``kept`` is false where norce.updates has forgotten what was sent."""

    status: Status
    changes: tuple[Change, ...] = ()
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """All that the topics tell of a key."""

    key: Key
    partition: int
    state: bytes | None = None
    record: bytes | None = None
    """The newest enriched record."""
    letter: str | None = None
    """The dead letter that the key is parked behind."""
    missing: Sequence[Waiting] = ()
    """Selected events that the worker has committed and that the state does not hold."""
    told: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a replay of a key would do."""

    key: Key
    partition: int
    letter: str | None = None
    events: tuple[Waiting, ...] = ()
    """Events that would change the state."""
    failing: tuple[tuple[Waiting, str], ...] = ()
    """Events that cannot be folded, and why."""
    record: tuple[str, ...] = ()
    """Fields in which the enriched record would differ from the one that is published."""
    targets: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return KINDS[type(self.key)].name

    @property
    def differs(self) -> bool:
        """Whether there is anything to say of the key but that all is as it was."""
        statuses = {difference.status for difference in self.targets.values()}
        return bool(self.events or self.failing or self.record or self.letter or statuses - {Status.SAME})


def compare(known: Known, policies: PushPolicies, targets: Iterable[str]) -> Compared:
    """What would follow from a key. A parked key is only named: what waits there has to be decided first.

    Raises:
        UnreadableState: another version of the program wrote the state.
    """
    if known.letter is not None:
        return Compared(known.key, known.partition, known.letter)
    before = None if known.state is None else decode(known.state)
    after, failing = _folded(known.key, before, known.missing)
    changes = after is not None and (before is None or encode(before) != encode(after))
    bad = {id(event) for event, _ in failing}
    events = tuple([event for event in known.missing if id(event) not in bad]) if changes else ()
    view = None if after is None or not after.facts else KINDS[type(known.key)].view(known.key, after)
    differences: dict[str, Difference] = {}
    if isinstance(view, OrderView):
        made = {str(update.__struct_config__.tag): update for update in derive(None, view, policies)}
        for target in targets:
            difference = _difference(made.get(target), known.told.get(target, Told()))
            if difference is not None:
                differences[target] = difference
    record = () if view is None else _fields_that_differ(enriched(view), known.record)
    return Compared(known.key, known.partition, None, events, tuple(failing), record, differences)


def _folded(key: Key, state: State | None, events: Sequence[Waiting]) -> tuple[State | None, list[tuple[Waiting, str]]]:
    small = [event for event in events if len(event.value or b"") <= MAX_EVENT_BYTES]
    failing = [(event, f"it has more than {MAX_EVENT_BYTES} bytes") for event in events if event not in small]
    try:
        return (fold(key, state, map(_arrival, small)).state if small else state), failing
    except DomainError:
        pass  # found out one by one
    for event in small:
        try:
            state = fold(key, state, [_arrival(event)]).state
        except DomainError as error:
            failing.append((event, type(error).__name__))
    return state, failing


def _arrival(event: Waiting) -> Arrival:
    envelope = read_envelope(event.headers)
    return Arrival(envelope.event_type, event.value or b"", envelope.event_id, envelope.received_at)


def _difference(update: Update | None, told: Told) -> Difference | None:
    known = told.update is not None
    was = {} if told.update is None else _fields(told.update)
    if update is None:
        if told.sent is None:
            return None
        return Difference(Status.NOT_SENT, _changes(was, {}), kept=known)
    if update.id in told.waiting:
        return Difference(Status.ON_ITS_WAY)
    now = _fields(update)
    if told.sent is None:
        return Difference(Status.NEVER, _changes({}, now))
    if (was == now) if known else _sounds_like(update, told.sent):
        return Difference(Status.SAME)
    status = Status.NEWER if update.version < told.sent.version else Status.DIFFERENT
    return Difference(status, _changes(was, now), kept=known)


def _fields(update: Update) -> dict[str, Any]:
    """What is a reason to send an update, by name: neither a version alone is one, nor the number of an order that
    Connect knows by its basket."""
    if isinstance(update, CheckoutUpdate):
        return {f"attribute {name}": value for name, value in update.content.attributes.items() if name != VERSION}
    found: dict[str, Any] = {f"info {info.code}": info.value for info in update.content.infos}
    if update.content.order_status is not None:
        found["order status"] = update.content.order_status
    if basket_id(update.client_order_ref) is None:
        found["order number"] = update.order_no
    return found


def _sounds_like(update: Update, sent: Sent) -> bool:
    """Whether an update has the digest of what was sent, whatever its version: the content is not known any more."""
    if isinstance(update, ConnectUpdate) or VERSION not in update.content.attributes:
        return digest(update) == sent.digest
    content = CheckoutContent(attributes={**update.content.attributes, VERSION: sent.version})
    return digest(msgspec.structs.replace(update, content=content)) == sent.digest


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    names = sorted({*was, *now})
    return tuple([Change(name, was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name)])


def _fields_that_differ(record: bytes, published: bytes | None) -> tuple[str, ...]:
    must = msgspec.json.decode(record)
    try:
        shown = {} if published is None else msgspec.json.decode(unframed(published))
    except msgspec.MsgspecError:
        shown = {}
    if shown.get("version", 0) > must["version"]:
        return ()  # published after the state was read
    names = sorted({*must, *shown} - _COMPUTED)
    return tuple([name for name in names if must.get(name) != shown.get(name)])
