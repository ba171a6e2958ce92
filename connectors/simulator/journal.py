"""What was called, when, and what came of it; and what a client of Norce should never do."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from connectors.simulator.clock import Clock

CALLS_KEPT = 200_000
"""Calls that can be asked for; older ones are only counted."""

VIOLATIONS_KEPT = 1_000
TEXT_KEPT = 4_096
"""Characters of a body or an answer that are kept."""

OVERLAPPING_CALLS = "overlapping_calls"
"""Two calls about one order were in flight at one service, neither given up."""
READ_ONLY = frozenset({"query"})
"""Services that change nothing: several may read one order at once."""
STALE_VERSION = "stale_version"
"""A content was applied whose version is lower than one that was applied before."""
MONEY_MOVED = "money_moved"
"""A call captured, cancelled or credited money."""
OTHER_CHECKOUT_ORDER = "other_checkout_order"
"""Attributes were put on another Checkout order of the basket than the one that was accepted or completed."""


@dataclass(slots=True)
class Call:
    """One call to a service. Times are seconds since the simulator began."""

    number: int
    at: float
    service: str
    operation: str
    order: str | None
    """ClientOrderRef, where the call is about an order that is known."""
    headers: Mapping[str, str]
    body: str
    fault: str | None = None
    status: int | None = None
    """What was answered, or would have been if the answer had not been lost; None without any."""
    answer: str = ""
    seconds: float | None = None
    """Until the answer; None while in flight."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that a well-behaved client does not do."""

    kind: str
    call: int
    service: str
    order: str | None
    detail: str


class Journal:
    """All calls in the order of their arrival, counted, with those in flight and the violations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()
        self._in_flight: dict[int, tuple[Call, Callable[[], bool]]] = {}
        self._versions: dict[tuple[str, str, str], int] = {}
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.count = 0
        self.answers: dict[str, Counter[str]] = {}
        self.most_in_flight: Counter[str] = Counter()
        self.violations: deque[Violation] = deque(maxlen=VIOLATIONS_KEPT)
        self.violation_counts: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        """What is no fault of the client but good to know, such as a status Norce did not take back."""

    def begin(
        self,
        service: str,
        operation: str,
        order: str | None,
        headers: Mapping[str, str],
        body: str,
        given_up: Callable[[], bool],
    ) -> Call:
        """Enter a call; ``given_up`` says whether the caller has hung up meanwhile."""
        call = Call(self.count, self._since(), service, operation, order, headers, body[:TEXT_KEPT])
        self.count += 1
        self.calls.append(call)
        others = [other for other, gone in self._in_flight.values() if other.service == service and not gone()]
        self._in_flight[call.number] = (call, given_up)
        self.most_in_flight[service] = max(self.most_in_flight[service], len(others) + 1)
        for other in others:
            if order is not None and other.order == order and service not in READ_ONLY:
                self.violate(OVERLAPPING_CALLS, call, f"call {other.number} was in flight")
        return call

    def end(self, call: Call, status: int | None, answer: str) -> None:
        """Enter how a call ended; None for a status that was never thought of."""
        del self._in_flight[call.number]
        call.status, call.answer, call.seconds = status, answer[:TEXT_KEPT], self._since() - call.at
        label = str(status) if call.fault in (None, "answer", "trickle") else str(call.fault)
        self.answers.setdefault(call.service, Counter())[label] += 1

    def violate(self, kind: str, call: Call, detail: str) -> None:
        """Enter that a call should not have been made."""
        self.violation_counts[kind] += 1
        self.violations.append(Violation(kind, call.number, call.service, call.order, detail))

    def applied_version(self, call: Call, name: str, version: int) -> None:
        """Enter the version of a content that takes effect now, under the name it stands under."""
        place = (call.service, call.order or "", name)
        newest = self._versions.get(place, version)
        if version < newest:
            self.violate(STALE_VERSION, call, f"{name}: version {version} after {newest}")
        self._versions[place] = max(version, newest)

    def as_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "calls": {service: dict(answers) for service, answers in sorted(self.answers.items())},
            "calls_in_flight": len(self._in_flight),
            "most_in_flight": dict(self.most_in_flight),
            "violations": dict(self.violation_counts),
            "violation_details": [asdict(violation) for violation in list(self.violations)[-20:]],
            "remarks": dict(self.remarks),
        }

    def page(self, offset: int, limit: int, service: str | None) -> dict[str, Any]:
        """Calls from a number on, oldest first."""
        chosen = [call for call in self.calls if call.number >= offset and service in (None, call.service)]
        first = self.calls[0].number if self.calls else self.count
        return {"total": self.count, "first_kept": first, "calls": [asdict(call) for call in chosen[:limit]]}

    def _since(self) -> float:
        return round(self._clock.now() - self._began, 6)


def version_of(value: object) -> int | None:
    """A version number as an attribute or an info carries it: an integer, or its text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None
