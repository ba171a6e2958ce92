"""Records, tables and steps without a broker."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from pipeline import topics
from pipeline.engine import SliceTable, Step
from pipeline.events import EVENT_TYPES

ORDER = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77"}
CONFIRMED = {**ORDER, "OrderId": 5, "OrderNo": "SO77", "Source": "WEB"}
PAID = {**ORDER, "ErpOrderNo": "SO77", "PaymentCode": "1", "Amount": 10.5, "CurrencyCode": "SEK"}
Tables = dict[str, SliceTable]
NOW = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z, as the records below"""


def record(event_type: str, body: Any, event_id: str = "e1", second: int = 0, **changes: Any) -> SimpleNamespace:
    """A record as the connector writes it."""
    spec = EVENT_TYPES[event_type]
    value = json.dumps(body).encode()
    key = spec.partition_key(spec.model.model_validate_json(value)).encode()
    made = SimpleNamespace(
        topic=spec.topic,
        partition=0,
        offset=0,
        timestamp=0,
        key=key,
        value=value,
        headers=[
            ("ce_id", event_id.encode()),
            ("ce_type", f"io.norce.{event_type}".encode()),
            ("ce_time", f"2026-01-01T00:00:{second:02}.000000Z".encode()),
        ],
    )
    return SimpleNamespace(**{**vars(made), **changes})


def apply(tables: Tables, step: Step) -> None:
    """Write what the step changes, as the app does."""
    for part in (step.beforehand, step.changes):
        for table, changes in part.items():
            assert table in tables.values()
            table.apply(0, changes, 0)


def changed(step: Step) -> dict[str, set[bytes]]:
    """Table to the keys that change in it, but for the table of alerts."""
    return {table.name: set(keys) for table, keys in step.changes.items() if table.name != topics.ALERTS_TABLE}


def sent(step: Step, topic: str) -> list[dict[str, Any]]:
    return [json.loads(outgoing.value or b"") for outgoing in step.outputs.get(topic, [])]
