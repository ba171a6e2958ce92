"""Keys, events and tables for tests; the persons are nobody."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from pipeline.events import EVENT_TYPES
from pipeline.privacy.pseudonyms import Pseudonyms
from pipeline.privacy.wrapping import Wrapping

EMAIL, PHONE, FIRST, LAST = "planted-mail@example.com", "+46 70-555 01 02", "Plantedfirst", "Plantedlast"
DIGITS = "46705550102"
PLANTED = ("planted-mail", "555 01 02", DIGITS, FIRST, LAST)
"""What no public record, key, state or log may hold."""


def secret(number: int) -> bytes:
    return bytes([number]) * 32


def encoded(number: int) -> str:
    return base64.b64encode(secret(number)).decode()


def counted() -> Callable[[int], bytes]:
    """Random bytes for tests: never the same twice, and the same in each run."""
    calls = 0

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return calls.to_bytes(size, "big")

    return draw


def ring(*numbers: int, in_use: int | None = None, retired: tuple[str, ...] = ()) -> Pseudonyms:
    """Keys ``p1``, ``p2`` ...; the last is in use."""
    return Pseudonyms({f"p{n}": secret(n) for n in numbers}, f"p{in_use or numbers[-1]}", retired)


def wrapping(*numbers: int) -> Wrapping:
    """Keys ``k1``, ``k2`` ...; the last is in use."""
    return Wrapping({f"k{n}": secret(100 + n) for n in numbers}, f"k{numbers[-1]}", counted())


def event(event_type: str = "OrderReceivedEvent", ref: str = "77", client: int = 1, **fields: Any) -> SimpleNamespace:
    """An event's record as the connector writes it."""
    body: dict[str, Any] = {"ClientId": client, "ApplicationId": 2, "ClientOrderRef": ref, "Source": "WEB"}
    if event_type != "OrderReceivedEvent":
        body |= {"OrderId": 5, "OrderNo": "SO"}
    spec = EVENT_TYPES[event_type]
    value = json.dumps({**body, **fields}).encode()
    return SimpleNamespace(
        topic=spec.topic,
        partition=0,
        offset=0,
        key=f"{client}:2:{ref}".encode(),
        value=value,
        headers=[
            ("ce_id", b"e1"),
            ("ce_type", f"io.norce.{event_type}".encode()),
            ("ce_time", b"2026-01-01T00:00:00.000000Z"),
        ],
    )


def buyer(**more: Any) -> SimpleNamespace:
    """An order of the person all of whose data is planted."""
    return event(**{"Email": EMAIL, "CellPhone": PHONE, "FirstName": FIRST, "LastName": LAST, **more})


class Tables:
    """The two tables of a partition."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self.rows: dict[bytes, bytes] = {}

    def apply(self, keys: Mapping[bytes, bytes | None], rows: Mapping[bytes, bytes | None]) -> None:
        for table, changes in ((self.keys, keys), (self.rows, rows)):
            for key, value in changes.items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value


def reader(table: Mapping[bytes, bytes]) -> Any:
    return lambda keys: {key: table[key] for key in keys if key in table}
