"""What the registers of a state hold now, how often they changed, and where that cannot be told for sure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from pipeline.domain.conflicts import report
from pipeline.domain.facts import AnyFact, EntityFact, Fact
from pipeline.domain.limits import MAX_REGISTER_RECEIPTS
from pipeline.domain.records import Conflict, EntityChange
from pipeline.domain.state import Entry, State, changes, slots
from pipeline.domain.times import rfc3339

F = TypeVar("F", bound=Fact)
E = TypeVar("E", bound=EntityFact)


class Held(msgspec.Struct, Generic[F], frozen=True):
    """One slot: its newest fact, and its history as far as that is kept."""

    fact: F
    entries: tuple[Entry, ...]
    happened: tuple[Entry, ...]
    """The first entry of each change."""
    complete: bool
    """Whether every change of the slot is still known."""

    @property
    def last_received_at(self) -> int:
        """When the newest change was received, microseconds."""
        return self.happened[-1][0].received_at

    @property
    def event_id(self) -> str:
        """The event that brought the newest change."""
        return self.happened[-1][0].event_id


class Registers:
    """The slots of a state, by the class of their facts and in the canonical order of their names."""

    def __init__(self, state: State, repeat_window: int) -> None:
        found = slots(state.facts)
        share = MAX_REGISTER_RECEIPTS // max(len(found), 1)
        self._held: dict[type[AnyFact], list[Held[AnyFact]]] = {}
        for entries in found.values():
            fact = entries[-1][1]
            complete = len(entries) < min(fact.history, share)
            happened = tuple(changes(entries, repeat_window))
            self._held.setdefault(type(fact), []).append(Held(fact, tuple(entries), happened, complete))
        self._repeat_window = repeat_window

    def of(self, kind: type[F]) -> list[Held[F]]:
        """The slots of one class of facts, sorted by their names; null comes first."""
        held: list[Held[F]] = self._held.get(kind, [])  # type: ignore[arg-type,assignment]  # sorted in by class above
        return sorted(held, key=lambda one: tuple([_sortable(getattr(one.fact, name)) for name in one.fact.slot]))

    def everything(self) -> list[Held[AnyFact]]:
        return [one for held in self._held.values() for one in held]

    def span(self) -> tuple[str, str]:
        """When the oldest known and the newest change were received. Raises ``ValueError`` if there is none."""
        held = self.everything()
        if not held:
            raise ValueError("an empty state has no view")
        first = min([one.happened[0][0].received_at for one in held])
        return rfc3339(first), rfc3339(max([one.last_received_at for one in held]))

    def contradictions(
        self, field: str, held: Iterable[Held[F]], value: Callable[[F], str | None], found: list[Conflict]
    ) -> None:
        """Report slots that were stated differently in so short a time that which came last cannot be told.

        Norce sends events side by side and without a time, so within the repeat window the order of receipt says
        little about the order of the changes. The newest receipt is shown all the same.
        """
        for one in held:
            newest = one.entries[-1][0].received_at
            stated = {
                value(fact) or ""  # type: ignore[arg-type]  # facts of one slot are of one class
                for receipt, fact in one.entries
                if newest - receipt.received_at < self._repeat_window
            }
            report(field, stated, value(one.fact) or "", found, item=name_of(one.fact))

    def entity_changes(self, held: Iterable[Held[E]]) -> tuple[EntityChange, ...]:
        return tuple(
            [
                EntityChange(
                    entity=one.fact.entity_changed,
                    application_id=one.fact.application_id,
                    changes=len(one.happened),
                    changes_complete=one.complete,
                    last_received_at=rfc3339(one.last_received_at),
                )
                for one in held
            ]
        )


def name_of(fact: Fact) -> str:
    """The name of a slot as text, such as ``pricelist_id=1,quantity_break=10``. What is null is left out."""
    named = [(name, getattr(fact, name)) for name in fact.slot]
    return ",".join([f"{name}={value}" for name, value in named if value is not None])


def _sortable(value: int | str | None) -> tuple[bool, int, str]:
    return value is not None, value if isinstance(value, int) else 0, value if isinstance(value, str) else ""
