"""The layout of record keys, as a name for people and as a pattern for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FIELD = r"[A-Z][A-Za-z]*"
_LAYOUT = re.compile(rf"{_FIELD}(?::(?:[a-z]+=)?{_FIELD}|:[a-z]+)*")
_NUMBER = re.compile(r"[A-Za-z]*Id")

SUBSCRIPTION_KEYS = (
    "ClientId:ApplicationId:subscription=SubscriptionId",
    "ClientId:ApplicationId:recurring=RecurringOrderId",
    "ClientId:ApplicationId:unidentified",
)
"""The layouts of the key of what failed, where it is not told by its basket."""

EVENT_KEYS: Mapping[str, tuple[str, ...]] = {
    "order": ("ClientId:ApplicationId:ClientOrderRef",),
    "subscription": ("ClientId:ApplicationId:BasketId", *SUBSCRIPTION_KEYS),
    "invoice": ("ClientId:CapturedInvoiceId",),
    "company": ("ClientId:company=CompanyId",),
    "customer": ("ClientId:customer=CustomerId",),
    "product": ("ClientId:PartNo",),
    "job": ("ClientId:JobId",),
    "tenant": ("ClientId",),
}
"""The layouts of each partition key of ``pipeline.events.keys``; of several, the first whose fields the event has."""

NONE = "none"
"""What a topic says of its key if its records have none."""


def key_schema(text: str) -> dict[str, Any] | None:
    """JSON Schema of a key from what a topic says of it: layouts joined by " or ", or a description.

    ``None`` for records without a key.
    """
    if text == NONE:
        return None
    layouts = text.split(" or ")
    if not all(_LAYOUT.fullmatch(layout) for layout in layouts):
        return {"type": "string", "description": text}
    return {"type": "string", "title": text, "pattern": key_pattern(layouts)}


def key_pattern(layouts: list[str]) -> str:
    """A pattern that every key of these layouts matches. Free text may hold anything, colons and line ends too."""
    choices = "|".join(re.sub(_FIELD, _values, layout) for layout in layouts)
    return f"^(?:{choices})$"


def _values(field: re.Match[str]) -> str:
    return r"-?\d+" if _NUMBER.fullmatch(field.group()) else r"[\s\S]+"
