"""The commands of a replay, given to the workers some at a time, and what they answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.commands import Replay
from pipeline.connecting import run_and_close
from pipeline.dead_letters.commanding import Done, give, signed
from pipeline.dead_letters.parked import Waiting
from pipeline.dead_letters.resolutions import How
from pipeline.replay.comparison import CHANGING, Compared, Status
from pipeline.settings import KafkaSettings

KEYS_AT_ONCE = 200
"""Commands that are given before the workers' answers are waited for."""
COMMAND_EVENTS = 100
COMMAND_BYTES = 450_000
"""Bytes of bodies in one command; in base64 they stay below the megabyte that Kafka takes."""


@dataclass(frozen=True, slots=True)
class Given:
    """A command with the key that it is about."""

    command: Replay
    partition: int

    @property
    def key(self) -> str:
        return self.command.key


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a replay beside its keys."""

    reason: str = ""
    force: bool = False


@dataclass
class Came:
    """What the workers answered, in numbers."""

    keys: int = 0
    events: int = 0
    """Folded."""
    duplicates: int = 0
    """Events among them that turned out to be known."""
    failed: int = 0
    """Events that could not be folded."""
    updates: int = 0
    parked: int = 0
    """Keys that were parked when their turn came."""
    pending: int = 0
    """Commands that nobody carried out in time; they stand."""

    def take(self, done: Done[Given]) -> None:
        """Hear of one command."""
        if not done.final:
            self.pending += 1
            return
        self.keys += 1
        self.parked += done.how is How.STILL_FAILING
        self.updates += len(done.updates)
        failed = [end for end in done.ends if end == "failed"]
        self.failed += len(failed)
        self.events += len(done.ends) - len(failed)
        self.duplicates += sum([end == "duplicate" for end in done.ends])

    @property
    def whole(self) -> bool:
        """Whether everything was done."""
        return not (self.failed or self.parked or self.pending)


def sent_to(compared: Compared, *, force: bool) -> tuple[str, ...]:
    """The targets that a replay of a key sends its newest state to."""
    statuses = CHANGING | {Status.SAME} if force else CHANGING
    return tuple([target for target, found in compared.targets.items() if found.status in statuses])


def commands(compared: Compared, wish: Wish) -> Iterator[Given]:
    """The commands that take a key through again; none if nothing of it differs."""
    pieces = list(_pieces(compared.events))
    targets, record = sent_to(compared, force=wish.force), bool(compared.record)
    if not pieces and not targets and not record:
        return
    kind, key = compared.kind, compared.key.text
    for piece in pieces[:-1]:
        yield Given(Replay(kind=kind, key=key, events=piece, **signed(wish.reason)), compared.partition)
    last = Replay(
        kind=kind,
        key=key,
        events=pieces[-1] if pieces else [],
        targets=list(targets),
        record=record,
        force=wish.force,
        **signed(wish.reason),
    )
    yield Given(last, compared.partition)


def replay(
    kafka: KafkaSettings,
    keys: Iterable[Compared],
    wish: Wish,
    seconds: float,
    advance: Callable[[int], None],
) -> Came:
    """Give the commands of all keys; ends early if the workers do not answer some of them within ``seconds``.

    Raises:
        BrokerUnreachable
    """
    came = Came()
    left = (given for compared in keys for given in commands(compared, wish))
    while chunk := list(islice(left, KEYS_AT_ONCE)):
        for done in run_and_close(give(kafka, chunk, seconds, advance)):
            came.take(done)
        if came.pending:
            break
    return came


def _pieces(events: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    piece: list[Waiting] = []
    size = 0
    for event in events:
        more = len(event.value or b"")
        if piece and (len(piece) == COMMAND_EVENTS or size + more > COMMAND_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(event)
        size += more
    if piece:
        yield piece
