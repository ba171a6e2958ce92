"""What operators look at and do: dead letters, reconciliation, drift, personal values."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
import structlog
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from pipeline import topics
from pipeline.dead_letters import commanding, listing
from pipeline.dead_letters.listing import Filter, Row, Status
from pipeline.dead_letters.resolutions import How
from pipeline.domain import OrderKey
from pipeline.drift.topics import DRIFT
from pipeline.framing import unframed
from pipeline.privacy import reading as personal
from pipeline.query.api import After, Limit, UnusableCursor
from pipeline.query.documents import Problem
from pipeline.query.things import when
from pipeline.reading import read_to_end
from pipeline.settings import ConsoleSettings, KafkaSettings, PrivacySettings
from pipeline.web import metrics
from pipeline.web.accounts import Caller, Role
from pipeline.web.errors import AlreadySettled, NoSuchLetter, NotSetUp
from pipeline.web.signing_in import needs

log = structlog.get_logger(__name__)

NEWEST = 1000
"""Entries of a topic that are shown, the newest."""
MAX_REASON = 500

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The body is no JSON",
        401: "It needs an account",
        403: "The account lacks the role",
        404: "There is no such thing",
        409: "Nothing is left to do, or the console is not set up for it",
        422: "Something in the request is not what it has to be",
        503: "Kafka does not answer just now",
    }.items()
}


Operator = Annotated[Caller, Depends(needs(Role.OPERATOR))]
Confidant = Annotated[Caller, Depends(needs(Role.PRIVACY))]
Letter = Annotated[str, Path(description="Id of a dead letter", max_length=100)]
Action = Literal["release", "drop", "retry", "reveal"]


class Reason(BaseModel):
    """Why something is done; it is kept with what was done."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]
    everything: Annotated[bool, Field(description="Drop what waits behind it as well; for a drop alone")] = False


class Done(BaseModel):
    """What a command came to."""

    done: Annotated[bool, Field(description="False while no worker has carried it out; the command stands")]
    outcome: str
    message: str


class Listed(BaseModel):
    """A page of a list, the newest first."""

    items: list[dict[str, Any]]
    next: Annotated[str | None, Field(description="What to give as ``after`` for the next page; null after the last")]
    cut: Annotated[bool, Field(description="Whether older ones are not listed")] = False


def router(kafka: KafkaSettings, settings: ConsoleSettings, worker_group: str) -> APIRouter:
    """The routes, below wherever they are put."""
    routes = APIRouter(responses=PROBLEMS, tags=["operations"])
    reading = asyncio.Semaphore(2)

    @routes.get("/dead-letters", summary="Dead letters that are not dealt with")
    async def dead_letters(after: After = None, limit: Limit = 50, settled: bool = False) -> Listed:
        """The newest first. With ``settled`` also those that were released, dropped or overtaken."""
        async with reading:
            found = await listing.find(kafka, worker_group, Filter())
        rows = found.rows if settled else listing.open_rows(found.rows)
        return listed([_letter(row) for row in reversed(rows)], after, limit, cut=found.cut)

    @routes.get("/dead-letters/{letter}", summary="One dead letter in full")
    async def dead_letter(letter: Letter) -> dict[str, Any]:
        """With the record that it is about, personal values masked, and what waits behind it."""
        async with reading:
            shown = await listing.show(kafka, worker_group, letter, reveal=False)
        if not shown:
            raise NoSuchLetter(f"there is no dead letter {letter}")
        (one,) = [each for each in shown if each.row.id == letter] or shown[-1:]
        return {
            **_letter(one.row),
            "tries": one.tries,
            "record": one.letter,
            "waits": one.waits,
            "resolutions": one.resolutions,
        }

    @routes.post("/dead-letters/{letter}/release", summary="Try a dead letter again")
    async def release(letter: Letter, why: Reason, caller: Operator) -> Done:
        """Parked events are joined in order, as if they came now; of a refused update the order's newest is sent."""
        orders, refused = commanding.releases([await _open(letter)], why.reason, caller.name)
        if refused:
            raise AlreadySettled("it names no key to be joined under; it can only be dropped")
        return await _give(orders, "release", caller)

    @routes.post("/dead-letters/{letter}/drop", summary="Give up on a dead letter")
    async def drop(letter: Letter, why: Reason, caller: Operator) -> Done:
        """What waits behind it is joined in order, or with ``everything`` given up too."""
        orders = commanding.drops([await _open(letter)], why.reason, caller.name, everything=why.everything)
        return await _give(orders, "drop", caller)

    @routes.get("/reconciliation", summary="Reports of comparisons with Norce")
    async def reconciliation() -> Listed:
        """What each sweep came to, the newest first."""
        return Listed(items=await _newest(topics.RECONCILIATION, "finished_at"), next=None)

    @routes.get("/drift", summary="What Norce sends that it did not before")
    async def drift() -> Listed:
        """Reports of fields that were added, retyped or are missing, the newest first."""
        return Listed(items=await _newest(DRIFT, "first_seen_at"), next=None)

    @routes.get("/orders/{key:path}/person", summary="Who bought")
    async def person(key: str, caller: Confidant) -> dict[str, Any]:
        """The personal values of an order. Who looks is recorded."""
        order = OrderKey.parse(key).text
        try:
            privacy = PrivacySettings()
        except ValueError:
            raise NotSetUp("the console has no keys of the private topics, see NORCE_PRIVACY_*") from None
        record("reveal", caller, key=order)
        return {"values": await personal.reveal(kafka, privacy, order)}

    async def _open(letter: str) -> Row:
        async with reading:
            found = await listing.find(kafka, worker_group, Filter(which=letter))
        rows = [row for row in found.rows if row.id == letter]
        if not rows:
            raise NoSuchLetter(f"there is no dead letter {letter}")
        if not listing.open_rows(rows):
            raise AlreadySettled(f"it is {rows[0].status.value} already")
        return rows[0]

    async def _give(orders: Sequence[commanding.Order], action: Action, caller: Caller) -> Done:
        (done,) = await commanding.give(kafka, orders, settings.command_timeout)
        record(action, caller, letter=orders[0].row.id, key=orders[0].key)
        if not done.final:
            return Done(done=False, outcome="pending", message="not done yet; a worker that runs carries it out")
        says = f"{done.how.value.replace('_', ' ')}, {done.events} events"
        if done.how is How.STILL_FAILING:
            says = "it still cannot be joined, and stays parked"
        elif done.then is not None:
            says += f"; a later event cannot be joined, letter {done.then}"
        return Done(done=True, outcome=done.how.value, message=says)

    async def _newest(topic: str, by: str) -> list[dict[str, Any]]:
        found: dict[bytes, dict[str, Any]] = {}
        async with reading:
            async for record in read_to_end(kafka, topic, range(kafka.partitions)):
                if record.value is not None:
                    found[record.key or b""] = orjson.loads(unframed(record.value))
        return sorted(found.values(), key=lambda report: str(report.get(by)), reverse=True)[:NEWEST]

    return routes


def record(action: Action, caller: Caller, **about: Any) -> None:
    """Keep who did what."""
    metrics.ACTIONS.labels(action).inc()
    log.warning("console action", action=action, by=caller.name, **about)


def _letter(row: Row) -> dict[str, Any]:
    releasable = row.status is Status.PARKED or (row.stage in commanding.SINKS and bool(row.key))
    place = f"{row.topic}/{row.partition}@{row.offset}"
    said = {name: getattr(row, name) for name in ("stage", "kind", "key", "event_type", "error", "reason", "waiting")}
    state = {"letter": row.id, "state": row.status.value, "since": when(row.since)}
    return {**state, **said, "place": place, "releasable": releasable}


def listed(items: Sequence[dict[str, Any]], after: str | None, limit: int, *, cut: bool) -> Listed:
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise UnusableCursor
    start = int(after or 0)
    more = str(start + limit) if start + limit < len(items) else None
    return Listed(items=list(items[start : start + limit]), next=more, cut=cut)
