"""What becomes of the mark of a replay when updates of one order wait behind each other."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.norce import CallLog
from pipeline.commands import REPLAY_HEADER
from pipeline.domain import ConnectContent, ConnectUpdate, Info
from pipeline.engine import SliceLedger
from pipeline.engine.slices import TopicPartition
from pipeline.ledger import UpdateOutcome
from pipeline.sinks.lanes import Lanes
from pipeline.sinks.memory import Sent
from pipeline.sinks.writer import Result


def update(version: int, value: str) -> ConnectUpdate:
    content = ConnectContent(infos=(Info(code="PaidAmount", value=value),), order_status=None)
    return ConnectUpdate(
        id=f"{version}{value}",
        client_id=1,
        application_id=2,
        client_order_ref="77",
        order_no="SO77",
        version=version,
        content=content,
    )


class Kept:
    """The table of what was sent, and the writer, in memory."""

    group = "norce-sink-connect"

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.ended: list[tuple[int, UpdateOutcome | None]] = []

    def read(self, partition: int, keys: Any) -> dict[bytes, bytes]:
        return {b"1:2:77": self.sent.encode()}

    async def write(self, piece: Any, record: Any, result: Result) -> None:
        self.ended.append((record.offset, result.outcome))
        self.sent = result.sent or self.sent


@pytest.mark.parametrize("forced", [0, 1])
async def test_what_takes_the_place_of_a_forced_update_is_sent_although_norce_was_told(forced: int) -> None:
    kept, told = Kept(Sent.of(update(1, "a"))), list[str]()

    async def deliver(one: ConnectUpdate, calls: CallLog) -> UpdateOutcome:
        told.append(one.id)
        return UpdateOutcome.DELIVERED

    records = [SimpleNamespace(key=b"1:2:77", offset=offset, headers=[]) for offset in range(2)]
    records[forced].headers = [(REPLAY_HEADER, b"command")]
    for _ in range(2):  # the second time as after a crash before the offsets were committed
        ledger = SliceLedger()
        piece = ledger.open(TopicPartition("t", 0), records)
        async with asyncio.TaskGroup() as tasks:
            lanes = Lanes("connect", deliver, cast(Any, kept), cast(Any, kept), ledger, 1, tasks)
            lanes.expect(piece, 2)
            for version, record in enumerate(records, 1):
                lanes.add(update(version, "a"), record, piece)
    assert told == ["2a"], "once"
    assert (kept.sent.version, kept.sent.replay) == (2, "command")
    assert sorted(kept.ended[2:]) == [(0, "superseded"), (1, "unchanged")]
