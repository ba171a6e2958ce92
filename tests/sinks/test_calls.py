"""The calls for an update are written in the step in which its end is, and in one of their own where it has none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.norce import CallLog, MadeCall, Rejected, Unaddressable, Unauthorized
from connectors.norce.calls import FIRST, LAST
from pipeline import topics
from pipeline.calls import UpdateCalls
from pipeline.contracts.schemas import struct_schema
from pipeline.domain import ConnectUpdate
from pipeline.engine import SliceLedger, Step
from pipeline.engine.slices import TopicPartition
from pipeline.ledger import UpdateOutcome
from pipeline.sinks.lanes import Deliver, Lanes
from pipeline.sinks.memory import Sent
from pipeline.sinks.writer import Writer
from tests.contracts.support import Written, kind_of
from tests.sinks.test_lanes import update

KEY = b"1:2:77"
PARTITION = 3
REFUSED = MadeCall(1_700_000_000.0259, "connect", "SendOrderStatus", 503, "Norce answered 503", "", 0.1234)
TAKEN = MadeCall(1_700_000_001.5, "connect", "SendOrderStatus", 200, "", "", 0.02)


class Sink:
    """Lanes with their writer, and the steps that it hands to the engine."""

    def __init__(self, deliver: Deliver[ConnectUpdate], sent: Sent | None) -> None:
        self.steps: list[Step] = []
        self.conf = SimpleNamespace(id="norce-sink-connect")
        self.writing = asyncio.Event()
        self.broker_answers = asyncio.Event()
        self.broker_answers.set()
        self._deliver = deliver
        self._sent = sent

    def read(self, partition: int, keys: Any) -> dict[bytes, bytes]:
        return {} if self._sent is None else {KEY: self._sent.encode()}

    async def write(self, slices: Any, steps: Mapping[int, Step]) -> bool:
        assert list(steps) == [PARTITION]
        self.steps += steps.values()
        self.writing.set()
        await self.broker_answers.wait()
        return True

    @asynccontextmanager
    async def lanes(self) -> AsyncIterator[Lanes[ConnectUpdate]]:
        writer = Writer(cast(Any, self), cast(Any, self), "connect")
        writing = asyncio.create_task(writer.run())
        try:
            async with asyncio.TaskGroup() as tasks:
                ledger = SliceLedger()
                record = SimpleNamespace(topic=topics.UPDATES, partition=PARTITION, key=KEY, offset=9, headers=[])
                record.value, record.timestamp = b"{}", 0
                piece = ledger.open(TopicPartition(topics.UPDATES, PARTITION), [record])
                lanes = Lanes("connect", self._deliver, cast(Any, self), writer, ledger, 1, tasks)
                lanes.expect(piece, 1)
                lanes.add(update(4, "a"), record, piece)
                yield lanes
        finally:
            writing.cancel()
            await asyncio.wait({writing})

    async def run(self) -> None:
        async with self.lanes():
            pass

    def sent(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for step in self.steps for record in step.outputs.get(topic, [])]


def calling(*calls: MadeCall, error: Exception | None = None) -> Deliver[ConnectUpdate]:
    async def deliver(one: ConnectUpdate, log: CallLog) -> UpdateOutcome:
        for call in calls:
            log.add(call)
        if error is not None:
            raise error
        return UpdateOutcome.DELIVERED

    return deliver


async def test_the_calls_are_written_with_the_end_and_with_what_norce_was_told() -> None:
    sink = Sink(calling(REFUSED, TAKEN), None)
    await sink.run()
    (step,) = sink.steps
    assert set(step.outputs) == {topics.CALLS, topics.LEDGER}
    assert list(step.changes) == [cast(Any, sink)]
    (record,) = step.outputs[topics.CALLS]
    assert record.key == KEY
    assert kind_of(Written(topics.CALLS, record.key, record.value or b"", tuple(record.headers))) == "UpdateCalls"
    failed = {"status": 503, "reason": "Norce answered 503", "answer": None, "milliseconds": 123}
    taken = {"status": 200, "reason": None, "answer": None, "milliseconds": 20}
    about = {"api": "connect", "operation": "SendOrderStatus"}
    assert sink.sent(topics.CALLS) == [
        {
            "update_id": "4a",
            "version": 4,
            "target": "connect",
            "outcome": "delivered",
            "calls": [
                {"at": "2023-11-14T22:13:20.025000Z", **about, **failed},
                {"at": "2023-11-14T22:13:21.500000Z", **about, **taken},
            ],
            "left_out": 0,
        }
    ]


async def test_a_dead_letter_comes_with_its_calls_and_no_person_is_named_in_their_answers() -> None:
    answer = json.dumps({"error": "unknown order", "email": "maja@example.com"})
    final = REFUSED._replace(status=400, reason="Norce answered 400", answer=answer)
    sink = Sink(calling(final, error=Rejected("Norce answered 400")), None)
    await sink.run()
    (step,) = sink.steps
    assert set(step.outputs) == {topics.CALLS, topics.DEAD_LETTERS, topics.LEDGER}
    (said,) = sink.sent(topics.CALLS)
    assert (said["outcome"], said["calls"][0]["status"]) == ("dead", 400)
    assert said["calls"][0]["answer"] == {"error": "unknown order", "email": "***"}


@pytest.mark.parametrize("answer", ['{"a":' * 300 + "1" + "}" * 300, '{"a":' + "[" * 500 + "]" * 500 + "}", "<html>"])
async def test_no_answer_can_stop_a_sink(answer: str) -> None:
    sink = Sink(calling(REFUSED._replace(answer=answer), TAKEN), None)
    await sink.run()
    (said,) = sink.sent(topics.CALLS)
    assert [call["status"] for call in said["calls"]] == [503, 200]


async def test_an_update_that_norce_was_not_called_for_has_no_record_of_calls() -> None:
    sink = Sink(calling(TAKEN), Sent.of(update(4, "a")))
    await sink.run()
    (step,) = sink.steps
    assert set(step.outputs) == {topics.LEDGER}
    sink = Sink(calling(error=Unaddressable("no reference that Connect takes")), None)
    await sink.run()
    (step,) = sink.steps
    assert set(step.outputs) == {topics.DEAD_LETTERS, topics.LEDGER}


async def test_of_an_outage_the_first_and_the_last_calls_are_written_and_the_others_counted() -> None:
    sink = Sink(calling(*[REFUSED] * 1000, TAKEN), None)
    await sink.run()
    (said,) = sink.sent(topics.CALLS)
    assert (len(said["calls"]), said["left_out"]) == (FIRST + LAST, 1001 - FIRST - LAST)
    assert said["calls"][-1]["status"] == 200
    published = struct_schema(UpdateCalls)["properties"]["left_out"]["description"]
    assert f"first {FIRST} " in published
    assert f"last {LAST} " in published


async def test_a_sink_that_must_stop_says_what_it_called_and_not_that_the_update_ended() -> None:
    sink = Sink(calling(REFUSED._replace(status=401), error=Unauthorized("no token is good")), None)
    with suppress(ExceptionGroup):
        await sink.run()
    (step,) = sink.steps
    assert set(step.outputs) == {topics.CALLS}
    (said,) = sink.sent(topics.CALLS)
    assert (said["outcome"], [call["status"] for call in said["calls"]]) == (None, [401])


async def test_what_was_called_before_partitions_are_given_up_is_not_forgotten() -> None:
    called = asyncio.Event()

    async def deliver(one: ConnectUpdate, log: CallLog) -> UpdateOutcome:
        log.add(REFUSED)
        called.set()
        await asyncio.Event().wait()
        raise AssertionError

    sink = Sink(deliver, None)
    async with sink.lanes() as lanes:
        await called.wait()
        await lanes.give_up(0.01)
    (step,) = sink.steps
    assert set(step.outputs) == {topics.CALLS}
    (said,) = sink.sent(topics.CALLS)
    assert (said["outcome"], [call["status"] for call in said["calls"]]) == (None, [503])


async def test_calls_whose_writing_is_under_way_when_partitions_are_given_up_are_written_once() -> None:
    sink = Sink(calling(TAKEN), None)
    sink.broker_answers.clear()
    async with sink.lanes() as lanes:
        await sink.writing.wait()
        giving_up = asyncio.create_task(lanes.give_up(0.01))
        await asyncio.wait({giving_up}, timeout=0.1)
        assert not giving_up.done()
        sink.broker_answers.set()
        await giving_up
    assert [said["outcome"] for said in sink.sent(topics.CALLS)] == ["delivered"]
