"""How many events may go to the dead letters before something else must be wrong than the events.

Counted for each topic of a partition: otherwise what flows well on one topic would hide that another is emptied into
the bin. The count lies in the table ``parked`` and is written with the step that it belongs to, so a restart neither
forgets it nor gets past it. It is there only while a failure is among the newest events, so it costs nothing while all
goes well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import msgspec

from pipeline.dead_letters.parked import UnreadableParking


class TooManyDeadLetters(Exception):
    """So many events cannot be joined that the worker stops. Nothing of the step that says so is written."""

    def __init__(self, topic: str, partition: int, found: str, variable: str) -> None:
        self.topic, self.partition, self.variable = topic, partition, variable
        super().__init__(
            f"{topic}/{partition}: {found}. The worker stops with these events unread, and a restart stops here again. "
            f"Mend what makes them fail, or raise {variable} to let more of them aside"
        )


class TooManyWaiting(Exception):
    """So many events wait behind one poison event that the worker stops. Nothing of the step is written."""

    def __init__(self, kind: str, key: str, limit: int) -> None:
        self.kind, self.key, self.limit = kind, key, limit
        super().__init__(
            f"more than {limit} events wait behind the poison event of {kind} {key}. "
            "Raise NORCE_WORKER_PARKED_LIMIT, start the worker, and release the key or drop what is parked of it"
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """When the worker stops."""

    ratio: float = 0.05
    """Share of failures among the last ``window`` events; events that there have not been yet count as good."""
    window: int = 1000
    run: int = 20
    """Failures in a row."""
    waiting: int = 100_000
    """Events that may wait behind one poison event."""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """The failures among the newest events of one topic and partition."""

    seen: int = 0
    """Events counted."""
    run: int = 0
    """Failures since the last one that could be joined."""
    failures: list[int] = []
    """Numbers of the events that failed, the oldest first; as many as fit under the limits."""

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Window:
        """Raises ``UnreadableParking``."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise UnreadableParking(f"a count of failures: {error}") from None

    def after(self, failed: Iterable[bool], limits: Limits, topic: str, partition: int) -> Window | None:
        """The window after further events, in their order; ``None`` once no failure is left in it.

        Raises:
            TooManyDeadLetters
        """
        seen, run, failures = self.seen, self.run, list(self.failures)
        most = max(ceil(limits.ratio * limits.window), 1)
        for one in failed:
            seen += 1
            run = run + 1 if one else 0
            if not one:
                continue
            failures = [*(number for number in failures if number > seen - limits.window), seen]
            if run >= limits.run:
                found = f"{run} events in a row could not be joined"
                raise TooManyDeadLetters(topic, partition, found, "NORCE_WORKER_DEAD_LETTER_RUN")
            if len(failures) >= most:
                found = f"{len(failures)} of the last {limits.window} events could not be joined"
                raise TooManyDeadLetters(topic, partition, found, "NORCE_WORKER_DEAD_LETTER_RATIO")
        failures = [number for number in failures if number > seen - limits.window]
        return Window(seen, run, failures) if failures else None
