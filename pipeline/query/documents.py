"""What the query API answers, as its OpenAPI document has it. Records are those of the enriched topics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Time = Annotated[str, Field(description="RFC 3339, UTC, six decimals", examples=["2026-01-31T12:00:00.000001Z"])]
KeyText = Annotated[str, Field(description="Key of the thing's enriched record", examples=["103:1032:11000006"])]
RecordBody = Annotated[
    dict[str, Any], Field(description="The record as on norce.<kind>.enriched; its JSON Schema is published with that")
]
KindName = Literal["orders", "subscriptions", "invoices", "products", "customers", "companies", "jobs"]


class Problem(BaseModel):
    """Why there is no answer."""

    error: Annotated[str, Field(description="Name of what is wrong, such as PartitionMoving")]
    message: Annotated[str, Field(description="The same as a sentence, with the place")]


class ParkedBody(BaseModel):
    """The event that a thing waits behind, because it cannot be joined."""

    letter: Annotated[str, Field(description="Id of its dead letter")]
    event_type: str
    event_id: str
    error: str
    reason: str
    since: Time
    waiting: Annotated[int, Field(description="Later events that wait behind it")]


class ThingBody(BaseModel):
    """One thing."""

    kind: KindName
    key: KeyText
    partition: Annotated[int, Field(description="Partition that holds it")]
    record: Annotated[RecordBody | None, Field(description="Null while all its events wait behind a bad one")]
    alerts: Annotated[list[dict[str, Any]], Field(description="Its open alerts, as on norce.alerts")]
    parked: ParkedBody | None


class Item(BaseModel):
    """One record of a page."""

    key: KeyText
    record: RecordBody


class PageBody(BaseModel):
    """A page of records, in no order that means anything."""

    items: list[Item]
    next: Annotated[str | None, Field(description="What to give as ``after`` for the next page; null after the last")]


class Result(BaseModel):
    """A thing that a search found."""

    kind: KindName
    key: KeyText
    matched: Annotated[str, Field(description="Which of its references it was found by", examples=["order_no"])]
    title: Annotated[str, Field(description="What people call it")]
    status: str | None
    changed_at: Time | None


class ResultsBody(BaseModel):
    """What a search found."""

    q: str
    results: list[Result]
    complete: Annotated[bool, Field(description="False if a partition is moving just now, or there may be more")]


class EntryBody(BaseModel):
    """One thing that happened."""

    at: Time
    what: Literal[
        "fact",
        "duplicate",
        "lookup",
        "update",
        "call",
        "outcome",
        "not_sent",
        "alert",
        "dead_letter",
        "resolution",
    ]
    title: str
    text: str
    details: dict[str, Any]


class TimelineBody(BaseModel):
    """Everything that happened to an order, in the order of time."""

    key: KeyText
    entries: list[EntryBody]
    complete: Annotated[bool, Field(description="False if reading it all took too long")]


class AlertsBody(BaseModel):
    """Open alerts, the newest first, as on norce.alerts."""

    items: list[dict[str, Any]]
    next: Annotated[str | None, Field(description="What to give as ``after`` for the next page; null after the last")]
    total: Annotated[int, Field(description="Open alerts that fit, on all pages")]
