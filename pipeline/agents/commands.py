"""Carrying out the commands of operators on what is parked and on dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pipeline import topics
from pipeline.agents.join import Join
from pipeline.agents.parking import again, now_ms
from pipeline.agents.records import Read, Work
from pipeline.commands import (
    REPLAY_HEADER,
    Command,
    Drop,
    Release,
    Replay,
    Resend,
    UnreadableCommand,
    decode_command,
)
from pipeline.dead_letters.parked import ParkedKey, Progress
from pipeline.dead_letters.records import JSON_HEADERS, dead_letter
from pipeline.dead_letters.resolutions import EventEnd, How, Resolution, encode_resolution
from pipeline.domain import (
    KINDS,
    KINDS_BY_NAME,
    Key,
    MalformedKey,
    OrderKey,
    OrderView,
    View,
    decode,
    derive,
    encode_update,
    enriched,
)
from pipeline.engine import Outgoing, Slice, SliceApp, Step
from pipeline.ledger import EventOutcome

log = structlog.get_logger(__name__)

EVENTS_PER_STEP = 200
"""Parked events that are folded or dropped in one step; between two steps other keys of the partition flow."""

FAILED = "failed"
"""How an event of a replay ended that cannot be folded; what the ledger says of it stays as it was."""


@dataclass(frozen=True, slots=True)
class _End:
    """How a command ended, the letter that its key is parked behind now, and what it did if that is not in a step."""

    how: How
    then: str | None = None
    events: tuple[EventEnd, ...] = ()
    updates: tuple[str, ...] = ()


class Commands:
    """Makes the steps that a command takes.

    What a step did is in the table before the next one begins, and a command that is read again goes on from there: it
    acts only while the letter that it names is what its key is parked behind, or while the key says that this very
    command is under way.
    """

    def __init__(self, join: Join) -> None:
        self._join = join

    def step(self, partition: int, record: Any) -> tuple[Step, Step | None]:
        """The next step of a command, and the answer for when that is written; ``None`` if more steps follow."""
        work, answer = self._join.work(partition), self._join.work(partition)
        try:
            command = decode_command(record.value)
        except UnreadableCommand as error:
            log.error("unreadable command", partition=partition, offset=record.offset, error=str(error))
            letter = dead_letter(record, str(error), stage="commands", error=type(error).__name__)
            work.step.send(topics.DEAD_LETTERS, letter)
        else:
            end = self._carry_out(work, command)
            if end is None:
                return self._join.finished(work), None
            _resolve(answer, command, end)
        return self._join.finished(work), self._join.finished(answer)

    def _carry_out(self, work: Work, command: Command) -> _End | None:
        match command:
            case Resend():
                return _End(How.RELEASED if self._resend(work, command) else How.NOTHING)
            case Drop(kind=None):
                return _End(How.DROPPED)
            case Replay():
                return self._replay(work, command)
            case Release() | Drop():
                return self._unpark(work, command)

    # -- what is parked ------------------------------------------------------------------------------------------

    def _unpark(self, work: Work, command: Release | Drop) -> _End | None:
        """One step of releasing or dropping what is parked of a key; returns how it ended if it is the last."""
        head = self._join.parking.head(work.partition, str(command.kind), command.key)
        progress = None if head is None else _progress(head, command)
        if head is None or progress is None:
            return _End(How.NOTHING)
        dropping = head.first < progress.drop_until
        until = min(head.first + EVENTS_PER_STEP, progress.drop_until if dropping else head.next)
        work.reads = [Read(record, again=True) for record in self._join.parking.events(work.partition, head, until)]
        poisoned = None if dropping else self._fold(work, head)
        if dropping:
            self._drop(work)
        after = poisoned or _without(head, len(work.reads), progress)
        self._join.parking.advance(work.step, head, after)
        if poisoned is not None and poisoned.letter == command.letter:
            end = _End(How.STILL_FAILING, poisoned.letter)
        else:
            how = How.DROPPED if isinstance(command, Drop) else How.RELEASED
            end = _End(how, None if poisoned is None else poisoned.letter)
        if work.reads:
            _resolve(work, command, end, final=False)
        return end if poisoned is not None or after is None else None

    def _drop(self, work: Work) -> None:
        for read in work.reads:
            # For its type and id only: nobody wants a letter of it now.
            self._join.understand(self._join.work(work.partition), read)
            read.end = EventOutcome.DROPPED

    def _fold(self, work: Work, head: ParkedKey) -> ParkedKey | None:
        """Fold as if the events came now; returns the key as it is parked again if one of them cannot be folded."""
        key = KINDS_BY_NAME[head.kind].key.parse(head.key)
        for read in work.reads:
            self._join.understand(work, read)
        readable = [read for read in work.reads if read.arrival is not None]
        folded = self._join.fold(work, key, readable)
        if folded.error is None:
            return None
        poison = readable[len(folded.outcomes)]
        place = work.reads.index(poison)
        work.reads = work.reads[:place]
        after = again(head, poison, folded.error, head.first + place)
        self._join.mourn(work, poison, after)
        return after

    # -- updates that Norce refused ------------------------------------------------------------------------------

    def _resend(self, work: Work, command: Resend) -> bool:
        """Put the order's newest update on its way again, made from the state as it is now."""
        try:
            key = OrderKey.parse(command.key)
        except MalformedKey:
            return False
        return bool(self._tell(work, key, self._view(work, key), [command.target], JSON_HEADERS))

    def _view(self, work: Work, key: Key) -> View | None:
        """What a key shows once the step is written; ``None`` if no event of it is known."""
        stored = self._join.newest(work, key)
        state = None if stored is None else decode(stored)
        return KINDS[type(key)].view(key, state) if state is not None and state.facts else None

    def _tell(
        self, work: Work, key: Key, view: View | None, targets: Sequence[str], headers: Sequence[tuple[str, bytes]]
    ) -> tuple[str, ...]:
        """Tell targets all of an order; returns the ids of the updates."""
        if not isinstance(view, OrderView):
            return ()
        made = derive(None, view, self._join.policies)
        updates = [update for update in made if update.__struct_config__.tag in targets]
        for update in updates:
            work.step.send(topics.UPDATES, Outgoing(key.text.encode(), encode_update(update), tuple(headers)))
        return tuple([update.id for update in updates])

    # -- taking a key through again ------------------------------------------------------------------------------

    def _replay(self, work: Work, command: Replay) -> _End:
        """Fold what the state lacks, and make what follows from it.

        A parked key is left alone: what waits there has to be decided first, and holds events that are not lost.
        """
        try:
            key = KINDS_BY_NAME[command.kind].key.parse(command.key)
        except (KeyError, MalformedKey):
            return _End(How.NOTHING)
        head = self._join.parking.head(work.partition, command.kind, command.key)
        if head is not None:
            return _End(How.STILL_FAILING, head.letter)
        reads = [Read(event) for event in command.events]
        for read in reads:
            # For its type and time only: what cannot be read has its letter already.
            self._join.understand(self._join.work(work.partition), read)
        work.reads, failed = self._join.fold_what_can_be(work, key, reads)
        view, name = self._view(work, key), key.text.encode()
        published = topics.ENRICHED[KINDS[type(key)].table]
        if command.record and view is not None and published not in work.step.outputs:
            work.step.send(published, Outgoing(name, enriched(view), JSON_HEADERS))
        mark = ((REPLAY_HEADER, command.id.encode()),) if command.force else ()
        updates = self._tell(work, key, view, command.targets, (*JSON_HEADERS, *mark))
        for read in failed:
            read.end = FAILED
        how = How.REPLAYED if work.reads or work.step.outputs else How.NOTHING
        return _End(how, events=tuple([_ended(read) for read in (*work.reads, *failed)]), updates=updates)


async def carry_out(app: SliceApp, commands: Commands, partition: int, pieces: Sequence[Slice]) -> None:
    """Carry out the commands of one partition in their order, giving way to its events between two steps."""
    for record in [record for piece in pieces for record in piece.records]:
        more = True
        while more:
            async with app.turn(partition):
                if app.slices.stopping.is_set() or not app.slices.holds(pieces):
                    app.slices.release(pieces)  # the partition's next owner reads the command again and goes on
                    return
                step, answer = commands.step(partition, record)
                if not await app.write(pieces, {partition: step}):
                    return
                if answer is not None and not await app.write(pieces, {partition: answer}):
                    return
                more = answer is None
            await asyncio.sleep(0)
    app.slices.finish(pieces)


def _progress(head: ParkedKey, command: Release | Drop) -> Progress | None:
    """How far a command is with a key; ``None`` if it is not, or no more, about what the key is parked behind."""
    if head.progress is not None and head.progress.command == command.id:
        return head.progress
    if head.letter != command.letter:
        return None
    match command:
        case Release():
            return Progress(command.id, head.first)
        case Drop():
            return Progress(command.id, head.next if command.all else head.first + 1)


def _without(head: ParkedKey, count: int, progress: Progress) -> ParkedKey | None:
    """The key without its first events, while a command is under way; ``None`` if none is left."""
    first = head.first + count
    return None if first == head.next else msgspec.structs.replace(head, first=first, progress=progress)


def _resolve(work: Work, command: Command, end: _End, *, final: bool = True) -> None:
    letter = None if isinstance(command, Replay) else command.letter
    resolution = Resolution(
        letter=letter,
        how=end.how,
        command=command.id,
        by=command.by,
        reason=command.reason,
        kind="order" if isinstance(command, Resend) else command.kind,
        events=[*map(_ended, work.reads), *end.events],
        updates=list(end.updates),
        then=end.then,
        final=final,
        resolved_at=now_ms(),
    )
    log.info(
        "command carried out" if final else "command under way",
        letter=letter,
        key=command.key,
        how=end.how,
        by=command.by,
        events=len(resolution.events),
        final=final,
    )
    record = Outgoing(command.key.encode(), encode_resolution(resolution), JSON_HEADERS)
    work.step.send(topics.RESOLUTIONS, record)


def _ended(read: Read) -> EventEnd:
    return EventEnd(
        topic=read.record.topic,
        partition=read.record.partition,
        offset=read.record.offset,
        event_type=read.event_type,
        event_id=read.event_id,
        outcome=str(read.end),
    )
