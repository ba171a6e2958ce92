"""The event catalogue: one model per event type, and one table that says what is decided for each."""

from __future__ import annotations

from pipeline.events.keys import order_key
from pipeline.events.models import FreeFormEvent, NorceEvent, OrderStatusEvent
from pipeline.events.order_status import NorceOrderStatus
from pipeline.events.parse import Reason, UnusableBody, parse
from pipeline.events.registry import EVENT_TYPES, TOPICS, Deduplication, EventSpec, Group, find, free_form

__all__ = [
    "EVENT_TYPES",
    "TOPICS",
    "Deduplication",
    "EventSpec",
    "FreeFormEvent",
    "Group",
    "NorceEvent",
    "NorceOrderStatus",
    "OrderStatusEvent",
    "Reason",
    "UnusableBody",
    "find",
    "free_form",
    "order_key",
    "parse",
]
