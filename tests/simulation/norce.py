"""Norce as the sinks see it: it is slow, fails, refuses, and takes what it does not answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from connectors.norce import CallLog, MadeCall, Rejected
from pipeline import topics
from pipeline.domain import decode_update
from pipeline.ledger import UpdateOutcome
from tests.simulation.brokers import Record

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

Place = tuple[str, bytes]
"""A target and the key of an order."""

REFUSED, LOST, FAILED = 0.02, 0.1, 0.2


class Norce:
    """Both targets: what each order was told, and what no caller may do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.held: dict[Place, Any] = {}
        """The update that took effect last."""
        self.known: dict[Place, Any] = {}
        """The update whose success a sink has written down last."""
        self.refused: set[str] = set()
        self._in_flight: dict[Place, Process] = {}
        self._takers: dict[Place, tuple[Process, int]] = {}
        """Whose call was taken last, and in which of its assignments."""
        self.ended: set[str] = set()
        """Ids of the updates whose success a sink has written down."""
        self._updates: dict[str, Any] = {}

    def written_down(self, target: str, record: Record) -> None:
        """A sink wrote to its changelog that an update was taken."""
        sent = json.loads(record.value or b"{}")
        self.known[target, record.key] = self._updates[sent["id"]]
        self.ended.add(sent["id"])

    async def call(self, process: Process, target: str, key: bytes, update: Any, calls: CallLog) -> UpdateOutcome:
        """One delivery, tried again until it is answered, each time noted, as the clients do."""
        place = (target, key)
        self._updates[update.id] = update
        while True:
            answer = await self._attempt(process, place, update)
            calls.add(MadeCall(0.0, target, "Send", 200 if answer == "taken" else None, answer, "", 0.0))
            if answer == "refused":
                raise Rejected("no such order")
            if answer == "taken":
                return UpdateOutcome.DELIVERED
            await asyncio.sleep(self._world.chance.between(f"backoff/{update.id}", 0.05, 2.0))

    async def _attempt(self, process: Process, place: Place, update: Any) -> str:
        chance, label = self._world.chance, f"call {update.id}"
        await process.effect(f"{label} leaves", lambda: None)
        self._judge(process, place, update)
        self._in_flight[place] = process
        fate = chance.share(label) if not self._world.calm else 1.0
        if chance.share(f"refused/{update.id}") < REFUSED and update.id not in self.refused:
            self.refused.add(update.id)
        arrives = chance.happens(f"{label} arrives though its caller is gone", 0.5)
        try:
            await asyncio.sleep(chance.between(f"{label} takes", 0.005, 0.8))
            if update.id in self.refused:
                return "refused"
            if fate < FAILED:
                return "failed"
            self._take(process, place, update)
            return await process.effect(f"{label} answered", lambda: "lost" if fate < FAILED + LOST else "taken")
        except asyncio.CancelledError:
            if arrives and self.held.get(place) is not update and update.id not in self.refused:
                self._take(process, place, update)
            raise
        finally:
            if self._in_flight.get(place) is process:
                del self._in_flight[place]

    def _judge(self, process: Process, place: Place, update: Any) -> None:
        other = self._in_flight.get(place)
        if other is not None and other.alive:
            self._world.fail(f"two calls for {place} at once")
        known = self.known.get(place)
        if known is None:
            return
        if update.version < known.version:
            self._world.fail(f"{place}: version {update.version} is sent after {known.version} was known to be taken")
        if told(update) == told(known) and not self._said_otherwise_between(place, known, update):
            self._world.fail(f"{place}: version {update.version} repeats what was known to be taken")

    def _said_otherwise_between(self, place: Place, known: Any, update: Any) -> bool:
        """Whether an update between the two said something else: a sink that died may have sent it."""
        target, key = place
        said = [decode_update(each.value or b"") for each in self._world.brokers.all(topics.UPDATES) if each.key == key]
        return any(
            known.version <= each.version <= update.version and told(each) != told(known)
            for each in said
            if each.__struct_config__.tag == target
        )

    def _take(self, process: Process, place: Place, update: Any) -> None:
        held = self.held.get(place)
        # What was taken and could not be written down before the partition moved is made again by whoever has it next,
        # be it the same process once more, and an older one may come first.
        taker = process, process.assignments
        if held is not None and update.version < held.version and self._takers[place] == taker:
            self._world.fail(f"{place}: version {update.version} takes effect after {held.version}")
        self._world.note(f"Norce takes {place} version {update.version}")
        self.held[place], self._takers[place] = update, taker


def told(update: Any) -> tuple[Any, ...]:
    """Everything in an update that Norce gets to see."""
    return update.client_order_ref, update.order_no, update.content
