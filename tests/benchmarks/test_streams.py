"""The peer on Kafka Streams has the pipeline's rules in Java. It is a peer only as long as they are the same rules."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from benchmarks.events import backlog
from benchmarks.join.streams import FOLDER
from benchmarks.peers import join_work as work
from pipeline.broker.distribution import fetch_distribution
from pipeline.domain import Arrival
from pipeline.domain.times import rfc3339

BEGAN = 1_790_000_000_000_000
ORDERS = 400
REPEAT = 70_000_000
"""Microseconds after which the same event is a further occurrence."""
WITHOUT_KAFKA = ("Alerts", "Facts", "Ids", "Json", "Masking", "Order", "Replay", "Updates", "Work")

Line = tuple[str, str, str]


class Delivered(NamedTuple):
    """One event as it came."""

    key: str
    type: str
    id: str
    at: int
    body: bytes


def test_what_comes_of_events_is_the_same_in_java_byte_for_byte(tmp_path: Path) -> None:
    events = list(_disturbed())
    expected = list(_in_python(events))

    assert {output for output, _, _ in expected} == {*work.OUTPUTS, "table orders", "table alerts"}
    assert _in_java(events, tmp_path) == expected


def _disturbed() -> Iterator[Delivered]:
    """Events in any order, repeated, restated and contradicted, with texts that are hard to write and to mask."""
    chance = random.Random(3)
    found: list[Delivered] = []
    for event, identity, at, _ in backlog(ORDERS, BEGAN):
        told = Delivered(event.key, event.type, identity, at, event.body)
        found.append(told)
        if chance.random() < 0.15:
            found.append(told._replace(id=f"{identity}-again", at=at + chance.choice((0, 5, REPEAT))))
        if chance.random() < 0.3:
            found.append(_contradicted(told, chance))
    chance.shuffle(found)
    yield from found


def _contradicted(told: Delivered, chance: random.Random) -> Delivered:
    body = orjson.loads(told.body)
    event_type = told.type
    if "PaymentCode" in body:
        body["PaymentCode"] = chance.choice((body["PaymentCode"], "X1"))
        body["Amount"] = chance.choice((body["Amount"], 100, 1.5, 0.125, 1000.0, None))
        body["CurrencyCode"] = chance.choice(("SEK", "EUR", "", None))
        body["PaymentRef"] = chance.choice(('\u00e9"\\\n\x01', "R", None))
        body["ErpOrderNo"] = chance.choice((body["ErpOrderNo"], "SO9", ""))
    if "OrderId" in body:
        body["OrderId"] = chance.choice((body["OrderId"], 5))
        body["OrderNo"] = chance.choice((body["OrderNo"], "A1", ""))
        body["Source"] = chance.choice(("WEB", "POS", "\u00c5", ""))
        event_type = chance.choice((event_type, "OrderCancelledEvent", "OrderDeliveredEvent"))
    if "ErrorMessage" in body:
        body["ErrorMessage"] = chance.choice(
            ("call 070-174 06 05 now", "Test Buyer is (gone)", "\u00e9" * 600, "x@y z TEST", "buyer 12 34 567", None)
        )
    if "DropPointCode" in body:
        body["DropPointCode"] = chance.choice(("DP-9", ""))
    return told._replace(type=event_type, id=f"{told.id}-odd", at=told.at + 7, body=orjson.dumps(body))


def _in_python(events: list[Delivered]) -> Iterator[Line]:
    tables: dict[str, dict[bytes, bytes]] = {"orders": {}, "alerts": {}}
    for event in events:
        name = event.key.encode()
        key = work.order_key(event.type, name)
        assert key is not None
        arrival = Arrival(event.type, event.body, event.id, event.at)
        kept = tables["alerts"].get(work.alert_name(name))
        joined = work.join(name, key, arrival, tables["orders"].get(name), kept)
        for output, other, value in joined.sent:
            yield output, other.decode(), value.decode()
        for table, changes in (("orders", [joined.state] if joined.state else []), ("alerts", joined.alerts)):
            for place, row in changes:
                if row is None:
                    tables[table].pop(place, None)
                else:
                    tables[table][place] = row
    for table, rows in tables.items():
        for place, row in sorted(rows.items()):
            yield f"table {table}", place.decode(), row.decode()


def _in_java(events: list[Delivered], folder: Path) -> list[Line]:
    distribution = asyncio.run(fetch_distribution())
    compiler = shutil.which(
        "javac", path=f"{distribution.java.program.resolve().parent}{os.pathsep}{os.environ['PATH']}"
    )
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("there is no javac")
        pytest.skip("there is no javac")
    sources = [FOLDER / "src" / f"{name}.java" for name in WITHOUT_KAFKA]
    build: list[str | Path] = [
        compiler,
        "-Werror",
        "-Xlint:all,-classfile,-path",
        "-d",
        folder,
        "-cp",
        distribution.class_path,
        *sources,
    ]
    subprocess.run(build, check=True)
    told = [
        orjson.dumps({"key": e.key, "type": e.type, "id": e.id, "time": rfc3339(e.at), "body": e.body.decode()})
        for e in events
    ]
    answer = subprocess.run(
        [distribution.java.program, "-cp", f"{folder}{os.pathsep}{distribution.class_path}", "Replay"],
        input=b"\n".join(told) + b"\n",
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    return [tuple(orjson.loads(line)) for line in answer.stdout.splitlines()]
