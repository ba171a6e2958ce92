"""Everything the domain refuses, as one tree.

Each of these is final: the same input is refused again, so a caller does not retry but puts the event aside. No
message repeats a value of an event's body, which may be personal data.
"""

from __future__ import annotations


class DomainError(Exception):
    """Base of all errors of the domain."""


class MalformedKey(DomainError):
    """A text that is not the key of the thing it was taken for."""


class UnusableArrival(DomainError):
    """One event that cannot be folded. ``event_id`` names it; the state it was meant for is unchanged."""

    def __init__(self, event_id: str, problem: str) -> None:
        self.event_id = event_id
        self.problem = problem
        super().__init__(f"event {event_id}: {problem}")


class UnreadableEvent(UnusableArrival):
    """The body does not fit the model of its event type, or the type is none that state is kept of."""


class MisplacedEvent(UnusableArrival):
    """The event belongs to another key than the one it was to be folded under."""


class StateLimitExceeded(UnusableArrival):
    """The event, or what the state would become with it, is larger than ``limits`` allows."""


class UnreadableState(DomainError):
    """Stored bytes that are not a state."""


class CorruptState(UnreadableState):
    """The bytes are cut off, altered or something else altogether."""


class UnknownStateLayout(UnreadableState):
    """The state was written by a version of this program that used another layout."""


class UnreadableUpdate(DomainError):
    """Bytes that are not an update."""


class InvalidPolicy(DomainError):
    """A push policy that cannot be used. ``problems`` is a list of ``(place in the document, what is wrong)``."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{place}: {problem}" if place else problem for place, problem in problems))
