"""The scenario: which events Norce creates, in which order. Pure and lazy; one seed gives the same bytes every time."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

import orjson

from connectors.simulator import flaws, lifecycle, sundry
from connectors.simulator.draws import draw, generator
from connectors.simulator.expectation import Expectation, expectation
from connectors.simulator.script import Draft, ScriptedEvent, ScriptedOrder

_BETWEEN_ORDERS = 1.0
"""From one order's first event to the next one's, on the script's own axis, which is not time: only order counts."""

_BETWEEN_STEPS = 12.0
"""Mean distance of one order's steps on that axis, so about a dozen orders' events lie between them."""

HELD_BACK_BEHIND = 50
"""Most later events that a reordered one is held back behind."""

_Entry = tuple[float, int, int, Draft, ScriptedOrder | None]


class Scenario:
    """Everything that follows from a seed, a number of orders and a share of flawed bodies.

    Flawed events come on top of the good ones, which stay the same.
    """

    def __init__(self, seed: int, orders: int, bad: float = 0.0) -> None:
        if not 0 <= orders <= lifecycle.MAX_ORDERS:
            raise ValueError(f"a scenario has 0 to {lifecycle.MAX_ORDERS} orders, not {orders}")
        self._seed = seed
        self._orders = orders
        self._bad = bad

    def orders(self) -> Iterator[ScriptedOrder]:
        """All orders, in the order of their first events."""
        return (lifecycle.order(self._seed, number) for number in range(self._orders))

    def events(self) -> Iterator[ScriptedEvent]:
        """All events in the order in which Norce creates them; an order's own events keep their sequence."""
        numbers = count()
        for _, serial, position, draft, order in self._entries():
            body = orjson.dumps(draft.fields)
            reference = order.client_order_ref if order else None
            yield ScriptedEvent(next(numbers), draft.event_type, body, reference, order, draft.change)
            if self._is_spoiled(serial, position):
                rng = generator(self._seed, "flaw", serial, position)
                flaw, event_type, spoiled = flaws.spoil(draft, rng)
                yield ScriptedEvent(next(numbers), event_type, spoiled, flaw=flaw)

    def size(self) -> int:
        """How many events there are."""
        steps = sum(len(order.steps) for order in self.orders())
        good = steps + len(range(0, self._orders, sundry.EVERY))
        if not self._bad:
            return good
        return good + sum(self._is_spoiled(serial, position) for _, serial, position, *_ in self._entries())

    def expectation(self) -> Expectation:
        """What has to come out in the end."""
        return expectation(self.orders(), self.events())

    def _is_spoiled(self, serial: int, position: int) -> bool:
        """Whether a flawed copy follows on this event."""
        return self._bad > 0 and draw(self._seed, "bad", serial, position) < self._bad

    def _entries(self) -> Iterator[_Entry]:
        waiting: list[_Entry] = []
        for order in self.orders():
            start = order.number * _BETWEEN_ORDERS
            while waiting and waiting[0][0] < start:
                yield heapq.heappop(waiting)
            rng = generator(self._seed, "pace", order.number)
            at = start
            for position, draft in enumerate(lifecycle.drafts(order)):
                heapq.heappush(waiting, (at, order.number, position, draft, order))
                at += rng.expovariate(1 / _BETWEEN_STEPS)
            turn, rest = divmod(order.number, sundry.EVERY)
            if rest == 0:
                # Serials below zero keep these apart from the orders'; entries never compare beyond the position.
                heapq.heappush(waiting, (start, -1 - turn, 0, sundry.draft(self._seed, turn), None))
        while waiting:
            yield heapq.heappop(waiting)


def reordered(events: Iterator[ScriptedEvent], seed: int, share: Callable[[], float]) -> Iterator[ScriptedEvent]:
    """The events in the order of their first posts: a share of them is held back behind later ones.

    ``share`` is asked for each event, so it may change on the way.
    """
    held: list[tuple[int, int, ScriptedEvent]] = []
    for place, event in enumerate(events):
        rng = generator(seed, "reordering", event.number)
        behind = rng.randint(1, HELD_BACK_BEHIND) if rng.random() < share() else 0
        heapq.heappush(held, (place + behind, event.number, event))
        while held and held[0][0] <= place:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]
