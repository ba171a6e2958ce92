"""The query API: orders, products, customers and all else by key and by reference, alerts, timelines."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Path, Query

from pipeline.audit.snapshot import Groups
from pipeline.dead_letters.parked import ParkedKey
from pipeline.domain import Alert
from pipeline.query import documents as body
from pipeline.query.errors import QueryError
from pipeline.query.things import KINDS_BY_TABLE, Match, Things, when
from pipeline.query.timeline import timeline
from pipeline.settings import KafkaSettings

MAX_PAGE = 200
MAX_QUERY = 200
"""Characters of a reference that is searched for."""
TIMELINES_AT_ONCE = 2
"""Each reads a partition's topics."""

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most items of the page")]
After = Annotated[str | None, Query(description="``next`` of the page before", max_length=4000)]
KeyPath = Annotated[str, Path(description="The key, such as ClientId:ApplicationId:ClientOrderRef", min_length=1)]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": body.Problem, "description": "The token is nobody's, or reading needs an account"},
    404: {"model": body.Problem, "description": "Nothing is known of it"},
    422: {"model": body.Problem, "description": "A key, cursor or limit is not what it has to be"},
    503: {"model": body.Problem, "description": "No worker has the partition just now; Retry-After says when to ask"},
}


class UnusableCursor(QueryError):
    """``after`` is not the ``next`` of any page."""

    def __init__(self) -> None:
        super().__init__("after is not what a page gave as next")


def router(things: Things, kafka: KafkaSettings, groups: Groups) -> APIRouter:
    """The routes of the API, below wherever they are put."""
    routes = APIRouter(responses=PROBLEMS, tags=["state"])
    reading = asyncio.Semaphore(TIMELINES_AT_ONCE)

    @routes.get("/search", summary="Find things by any reference")
    async def search(q: Annotated[str, Query(min_length=1, max_length=MAX_QUERY)]) -> body.ResultsBody:
        """Orders by key, ClientOrderRef, OrderNo, OrderId, payment code or reference; other things by their numbers."""
        text = q.strip()
        matches, complete = await things.search(text) if text else ([], True)
        return body.ResultsBody(q=q, results=[_result(match) for match in matches], complete=complete)

    @routes.get("/alerts", summary="Open alerts")
    async def alerts(
        kind: Annotated[str | None, Query(description="Only of this kind")] = None,
        severity: Annotated[str | None, Query(description="Only of this severity")] = None,
        client_id: Annotated[int | None, Query(description="Only of this client")] = None,
        after: After = None,
        limit: Limit = 50,
    ) -> body.AlertsBody:
        """All open alerts that fit, the newest first."""
        wanted = {"kind": kind, "severity": severity, "client_id": client_id}
        found = [alert for alert in await things.open_alerts() if _fits(alert, wanted)]
        start = _number(after)
        shown = [msgspec.to_builtins(alert) for alert in found[start : start + limit]]
        more = str(start + limit) if start + limit < len(found) else None
        return body.AlertsBody(items=shown, next=more, total=len(found))

    @routes.get("/orders/{key:path}/timeline", summary="All that happened to an order")
    async def order_timeline(key: KeyPath) -> body.TimelineBody:
        """Each delivery of each fact, duplicates, updates, every call to Norce with its answer, alerts."""
        thing = await things.get(KINDS_BY_TABLE["orders"], key)
        async with reading:
            found = await asyncio.to_thread(timeline, thing, kafka, groups)
        entries = [body.EntryBody.model_validate(msgspec.to_builtins(entry)) for entry in found.entries]
        return body.TimelineBody(key=thing.key.text, entries=entries, complete=found.complete)

    @routes.get("/{kind}", summary="Page through things of a kind")
    async def page(kind: body.KindName, after: After = None, limit: Limit = 50) -> body.PageBody:
        """Records in the order of partitions and keys. What changes meanwhile may be seen before or after."""
        found = await things.page(KINDS_BY_TABLE[kind], None if after is None else _place(after), limit)
        items = [body.Item(key=key, record=record) for key, record in found.items]
        return body.PageBody(items=items, next=None if found.next is None else _cursor(found.next))

    @routes.get("/{kind}/{key:path}", summary="One thing by its key")
    async def thing(kind: body.KindName, key: KeyPath) -> body.ThingBody:
        """Its enriched record as of now, its open alerts, and what it waits for."""
        found = await things.get(KINDS_BY_TABLE[kind], key)
        return body.ThingBody(
            kind=kind,
            key=found.key.text,
            partition=found.partition,
            record=found.record,
            alerts=[msgspec.to_builtins(alert) for alert in found.alerts],
            parked=None if found.parked is None else _parked(found.parked),
        )

    return routes


_TITLES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "orders": lambda record: record.get("order_no") or record["client_order_ref"],
    "subscriptions": lambda record: record["subject"],
    "invoices": lambda record: record["captured_invoice_id"],
    "products": lambda record: record.get("name") or record["part_no"],
    "customers": lambda record: record["customer_id"],
    "companies": lambda record: record["company_id"],
    "jobs": lambda record: record["job_id"],
}


def _parked(head: ParkedKey) -> body.ParkedBody:
    return body.ParkedBody(
        letter=head.letter,
        event_type=head.event_type,
        event_id=head.event_id,
        error=head.error,
        reason=head.reason,
        since=when(head.since),
        waiting=head.waiting,
    )


def _result(match: Match) -> body.Result:
    record = match.record
    status = record.get("status") or record.get("outcome")
    return body.Result(
        kind=cast(body.KindName, match.kind.table),
        key=match.key,
        matched=match.matched,
        title=str(_TITLES[match.kind.table](record)),
        status=None if status is None else str(status),
        changed_at=record.get("last_changed_at"),
    )


def _fits(alert: Alert, wanted: Mapping[str, Any]) -> bool:
    return all(value is None or getattr(alert, name) == value for name, value in wanted.items())


def _number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise UnusableCursor
    return int(after)


def _cursor(place: tuple[int, bytes]) -> str:
    partition, key = place
    return base64.urlsafe_b64encode(b"%d:%s" % (partition, key)).decode().rstrip("=")


def _place(after: str) -> tuple[int, bytes]:
    try:
        text = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        partition, key = text.split(b":", 1)
        return _number(partition.decode()), key
    except (binascii.Error, ValueError, UnicodeError):
        raise UnusableCursor from None
