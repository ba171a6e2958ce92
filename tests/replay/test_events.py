"""Events that a state lacks: dropped, or lost with the state. Workers are processes, on a real broker."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from pipeline import topics
from pipeline.audit.course import Groups, Request, audit
from pipeline.broker import KafkaCluster
from pipeline.commands import Replay
from pipeline.dead_letters.commanding import give, signed
from pipeline.dead_letters.parked import Waiting
from pipeline.events import EVENT_TYPES
from pipeline.replay.giving import Given
from tests.dead_letters.support import GROUP, Rig, confirmed, delivered, paid, reference
from tests.support.kafka import read_all, until
from tests.support.processes import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

SINKS = ("norce-sink-connect", "norce-sink-checkout")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with KafkaCluster() as cluster:
        made = Rig(cluster.bootstrap_servers, tmp_path_factory.mktemp("rig"))
        for name, group in zip(("CONNECT", "CHECKOUT"), SINKS, strict=True):
            made.environment[f"NORCE_{name}_GROUP"] = group
        groups = [(GROUP, topics.WORKER_TABLES), *[(group, topics.SINK_TABLES) for group in SINKS]]
        await topics.create(made.kafka, topics.catalogue(*groups))
        await until(made.without_leader, lambda names: not names)
        yield made
        await made.close()


@pytest.fixture
def worker(rig: Rig) -> Iterator[Process]:
    """A worker with the defect."""
    rig.defect.touch()
    with rig.worker() as process:
        yield process
    rig.defect.unlink(missing_ok=True)


async def done(rig: Rig) -> None:
    await until(rig.lag, lambda behind: behind == 0, tries=600)


async def shown(rig: Rig, ref: str) -> Any:
    return (await rig.enriched()).get(f"1:2:{ref}", {})


async def replay(rig: Rig, *words: str, code: int = 0) -> Any:
    found = await rig.run("replay", *words, "--json")
    assert found.code == code, found
    return json.loads(found.out)


async def folded(rig: Rig, ref: str) -> int:
    """Events of an order that replays were answered to have folded."""
    said = [r for r in await read_all(rig.servers, topics.RESOLUTIONS) if r.key == f"1:2:{ref}".encode()]
    return sum(len(json.loads(record.value)["events"]) for record in said)


def balance(rig: Rig) -> tuple[list[Any], dict[str, int]]:
    """What an audit finds wrong with the events, and how many ended how."""
    counts: dict[str, int] = {}
    with audit(rig.kafka, Groups(GROUP, *SINKS), Request(types=frozenset(EVENT_TYPES))) as report:
        for ended in report.events.counts.values():
            for outcome, count in ended.items():
                counts[str(outcome)] = counts.get(str(outcome), 0) + count
        return list(report.problems()), {outcome: count for outcome, count in counts.items() if count}


async def test_an_event_that_was_dropped_is_folded_by_a_replay_and_the_audit_balances(
    rig: Rig, worker: Process
) -> None:
    ref = reference()
    poison = paid(ref, "POISON")
    await rig.send(paid(ref, "1"), poison, confirmed(ref))
    await done(rig)
    parked = await replay(rig, "--order", f"1:2:{ref}", "--dry-run")
    assert parked["summary"]["parked_keys"] == 1
    left_alone = await rig.run("replay", "--order", f"1:2:{ref}", "--yes")
    assert (left_alone.code, "dead-letters list" in left_alone.out) == (1, True), left_alone
    await rig.json("drop", f"1:2:{ref}", "--yes")
    assert (await asyncio.to_thread(balance, rig)) == ([], {"applied": 2, "dropped": 1})

    failing = await replay(rig, "--order", f"1:2:{ref}", "--yes", code=1)
    assert failing["done"]["failed"] == 1, "the defect is still there"
    assert (await asyncio.to_thread(balance, rig)) == ([], {"applied": 2, "dropped": 1})
    assert await rig.parked() == {}

    rig.defect.unlink()
    (told,) = (await replay(rig, "--topic", "norce.events.payment", "--dry-run"))["keys"]
    assert told["events_to_fold"] == [poison.id]
    came = await replay(rig, "--topic", "norce.events.payment", "--yes")
    assert (came["done"]["events"], came["done"]["failed"]) == (1, 0)
    assert (await shown(rig, ref))["paid"] == {"SEK": "21.00"}
    assert await asyncio.to_thread(balance, rig) == ([], {"applied": 3})
    assert await rig.differences() == []


async def test_events_that_are_known_are_counted_as_what_they_were_however_often_they_are_replayed(
    rig: Rig, worker: Process
) -> None:
    ref = reference()
    await rig.send(paid(ref, "1"), paid(ref, "1"))
    await done(rig)
    problems, before = await asyncio.to_thread(balance, rig)
    assert problems == []
    records = [r for r in await read_all(rig.servers, "norce.events.payment") if r.key == f"1:2:{ref}".encode()]
    events = [Waiting(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records]
    version = (await shown(rig, ref))["version"]
    for _ in range(2):
        wanted = Replay(kind="order", key=f"1:2:{ref}", events=events, **signed("again"))
        (answer,) = await give(rig.kafka, [Given(wanted, records[0].partition)], 60)
        assert list(answer.ends) == ["applied", "duplicate"]
    assert (await shown(rig, ref))["version"] == version
    assert await asyncio.to_thread(balance, rig) == ([], before)


async def test_a_state_that_was_lost_is_made_again_from_the_events(rig: Rig, worker: Process) -> None:
    ref = reference()
    await rig.send(paid(ref, "1"), confirmed(ref), delivered(ref))
    await done(rig)
    before = await shown(rig, ref)
    assert worker.terminate() == 0
    changelog = await read_all(rig.servers, f"{GROUP}-orders-changelog")
    (state, *_) = [record for record in changelog if record.key == f"1:2:{ref}".encode()]
    async with AIOKafkaProducer(bootstrap_servers=rig.servers) as producer:
        await producer.send_and_wait(state.topic, None, key=state.key, partition=state.partition)
    shutil.rmtree(rig.folder / "worker")

    pending = await replay(rig, "--order", f"1:2:{ref}", "--yes", "--timeout", "0.5", code=1)
    assert pending["done"]["pending"] == 1, "nobody runs who could carry it out"
    told = await rig.run("replay", "--order", f"1:2:{ref}", "--yes", "--timeout", "0.5")
    assert "timeout: 1 commands are not carried out yet" in told.out, told
    with rig.worker():
        await until(lambda: folded(rig, ref), lambda seen: seen == 6)
        assert await shown(rig, ref) == before
        assert (await asyncio.to_thread(balance, rig))[0] == []
    assert await rig.differences() == []
