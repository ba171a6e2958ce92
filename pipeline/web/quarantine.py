"""What operators look at and do in quarantine: the list, one body in full, trying again."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, TypeAdapter

from pipeline import settings_report, topics
from pipeline.quarantine import saying
from pipeline.quarantine.entries import Filter, Row
from pipeline.quarantine.reading import Quarantine
from pipeline.quarantine.retries import Retry as Tries
from pipeline.quarantine.retrying import Course, Retrier, Rules, Tried
from pipeline.query.api import After, Limit
from pipeline.query.things import when
from pipeline.settings import KafkaSettings, WebhookSettings
from pipeline.web.errors import NoSuchBody
from pipeline.web.operations import MAX_REASON, NEWEST, PROBLEMS, Confidant, Listed, Operator, listed, record

Place = Annotated[
    str, Path(description="Id of a body, partition:offset", pattern="^[0-9]{1,6}:[0-9]{1,18}$", examples=["3:1042"])
]


class Retry(BaseModel):
    """What of the quarantine to try again."""

    ids: Annotated[list[str], Field(min_length=1, max_length=200, description="Ids as the list has them")]
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Retried(BaseModel):
    """What became of bodies that were tried again."""

    published: int
    refused: int
    message: str


class Revealed(BaseModel):
    """A body as it came."""

    body: Annotated[str | dict[str, str], Field(description="Text, or what is no UTF-8 as ``{base64: ...}``")]


def router(kafka: KafkaSettings) -> APIRouter:
    """The routes, below wherever they are put."""
    routes = APIRouter(responses=PROBLEMS, tags=["operations"])
    reading = asyncio.Semaphore(2)

    @routes.get("/quarantine", summary="Bodies that could not be used")
    async def quarantine(after: After = None, limit: Limit = 50, settled: bool = False) -> Listed:
        """The newest first. With ``settled`` also those that were retried."""
        async with reading:
            newest, cut = await _newest(kafka, Filter(settled=settled))
        return listed(newest, after, limit, cut=cut)

    @routes.get("/quarantine/{place}", summary="One body in full")
    async def body(place: Place) -> dict[str, Any]:
        """What is wrong with it and where, its headers, what was tried, and the body, personal values masked."""
        return _whole(*await _one(place))

    @routes.get("/quarantine/{place}/body", summary="A body as it came")
    async def reveal(place: Place, caller: Confidant) -> Revealed:
        """With personal values. Who looks is recorded."""
        row, _ = await _one(place)
        record("reveal", caller, quarantine=row.entry.place)
        return Revealed(body=saying.document(row, (), reveal=True)["body"])

    @routes.post("/quarantine/retry", summary="Try bodies in quarantine again")
    async def retry(what: Retry, caller: Operator) -> Retried:
        """Those that fit now are published as events, with the id and time of their receipt."""
        async with reading, Quarantine.open(kafka) as source:
            rows, missing = await source.find(what.ids, lambda count: None)
            if missing:
                raise NoSuchBody(missing)
            tried: list[Tried] = []
            size = TypeAdapter(int).validate_python(settings_report.value(WebhookSettings, "max_body_bytes"))
            async with Retrier.open(kafka, size, str(caller.name)) as retrier:
                await Course(Rules(), tried.append, retrier).run(_each(rows))
        record("retry", caller, ids=what.ids, reason=what.reason)
        published = sum([each.event is not None for each in tried])
        refused = [each.refusal for each in tried if each.refusal is not None]
        why = f"; still refused: {'; '.join(sorted({f'{each.reason} {each.detail}' for each in refused}))}"
        message = f"{published} of {len(tried)} published as events{why if refused else ''}"
        return Retried(published=published, refused=len(refused), message=message)

    async def _one(place: str) -> tuple[Row, list[Tries]]:
        async with reading, Quarantine.open(kafka) as source:
            rows, missing = await source.find([place], lambda count: None)
            if missing:
                raise NoSuchBody(missing)
            return rows[0], await source.retries_of(rows[0].entry)

    return routes


async def _newest(kafka: KafkaSettings, wanted: Filter) -> tuple[list[dict[str, Any]], bool]:
    newest: list[tuple[int, int, int, dict[str, Any]]] = []
    cut = False
    async with Quarantine.open(kafka) as source:
        async for row in source.rows(await source.spans(), wanted, lambda count: None):
            entry = row.entry
            item = (entry.received_at, entry.partition, entry.offset, _entry(row))
            cut = cut or len(newest) == NEWEST
            (heapq.heappush if len(newest) < NEWEST else heapq.heappushpop)(newest, item)
    return [item for *_, item in sorted(newest, reverse=True)], cut


def _entry(row: Row) -> dict[str, Any]:
    found = row.json()
    return {
        "id": found["id"],
        "state": found["state"],
        "at": when(found["received_at"]),
        "asked_type": found["event_type"],
        **{name: found[name] for name in ("reason", "detail", "where", "bytes", "ce_id")},
    }


def _whole(row: Row, tries: Sequence[Tries]) -> dict[str, Any]:
    entry, masked = row.entry, saying.document(row, (), reveal=False)
    return {
        **_entry(row),
        "topic": topics.QUARANTINE,
        "partition": entry.partition,
        "offset": entry.offset,
        "headers": masked["headers"],
        "body": masked["body"],
        "retries": [_tried(each) for each in tries],
    }


def _tried(retry: Tries) -> dict[str, Any]:
    said = msgspec.to_builtins(retry)
    return {"at": when(retry.at), **{name: said[name] for name in ("by", "outcome", "event_type", "event", "refusal")}}


async def _each(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row
