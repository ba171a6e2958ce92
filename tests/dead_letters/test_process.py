"""Poison events in a worker that is a process, on a real broker; the commands are run as operators run them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from signal import SIGKILL
from typing import Any

import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.domain.limits import MAX_RECEIPTS
from tests.dead_letters.support import GROUP, PARKED, PARTITIONS, Rig, confirmed, delivered, paid, reference
from tests.support.kafka import read_all, until
from tests.support.processes import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with KafkaCluster() as cluster:
        made = Rig(cluster.bootstrap_servers, tmp_path_factory.mktemp("rig"))
        await topics.create(made.kafka, topics.catalogue((GROUP, topics.WORKER_TABLES)))
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


async def test_a_poison_event_parks_its_key_others_flow_and_release_replays_in_order(rig: Rig, worker: Process) -> None:
    bad, good = reference(0), reference(0)
    poison = paid(bad, "POISON", FirstName="Planted")
    later = [paid(bad, "2"), paid(bad, "3"), confirmed(bad), delivered(bad)]
    await rig.send(paid(bad, "1"), poison, *later[:2], paid(good, "1"), confirmed(good))
    await done(rig)
    await rig.send(*later[2:])
    await done(rig)
    assert (await shown(rig, good))["status"] == "confirmed"
    assert [each["payment_code"] for each in (await shown(rig, bad))["payments"]] == ["1"]
    (letter,) = [each for each in await rig.records(topics.DEAD_LETTERS) if each["source"]["key"] == f"1:2:{bad}"]
    assert (letter["error"], letter["kind"]) == ("DefectOfOurs", "order")
    assert any("tests/dead_letters/program.py" in line for line in letter["trace"])
    assert "Planted" not in f"{letter['trace']}{letter['reason']}" + worker.output

    (row,) = await rig.json("list", "--key", f"1:2:{bad}")
    assert (row["id"], row["status"], row["waiting"], row["event_type"]) == (
        letter["id"],
        "parked",
        4,
        "OrderPaymentReceivedEvent",
    )
    assert f"1:2:{bad}" in (await rig.command("list", "--kind", "order")).out
    assert await rig.json("list", "--key", f"1:2:{bad}", "--stage", "connect") == []
    (told,) = await rig.json("show", f"1:2:{bad}")
    assert [each["event_id"] for each in told["waits"]] == [each.id for each in later]
    assert told["letter"]["source"]["value"]["FirstName"] == "***"
    assert "Planted" in (await rig.command("show", letter["id"], "--reveal")).out
    text = (await rig.command("show", letter["id"])).out
    assert "Planted" not in text
    assert "in advance" in text

    (still,) = await rig.json("release", letter["id"], "--yes", code=1)
    assert still["outcome"] == "still_failing"
    assert (await rig.parked())[f"1:2:{bad}"].tries == 2

    refused = await rig.command("release", letter["id"])
    assert refused.code == 1
    assert "fold the event and the 4 behind it" in refused.error, "nothing is done without asking"

    rig.defect.unlink()
    (freed,) = await rig.json("release", f"1:2:{bad}", "--yes", "--reason", "fixed")
    assert (freed["outcome"], freed["events"]) == ("released", 5)
    assert await rig.json("list", "--key", f"1:2:{bad}") == []
    (row,) = await rig.json("list", "--key", f"1:2:{bad}", "--all")
    assert row["status"] == "released"
    assert (await shown(rig, bad))["status"] == "delivered"
    assert await rig.differences(*await rig.drops()) == []
    said = [each for each in await rig.records(topics.RESOLUTIONS) if each["reason"] == "fixed"]
    assert [e["event_id"] for each in said for e in each["events"]] == [poison.id, *(each.id for each in later)]
    assert {each["by"] for each in said} == {"operator"}
    assert said[-1]["final"]


async def test_drop_gives_up_an_event_that_a_limit_refuses_and_the_rest_is_folded(rig: Rig, worker: Process) -> None:
    full, other = reference(), reference()
    repeats = [confirmed(full) for _ in range(MAX_RECEIPTS + 1)]
    await rig.send(*repeats, delivered(full), paid(other, "POISON"), paid(other, "2"))
    await done(rig)
    (row,) = await rig.json("list", f"1:2:{full}")
    assert (row["error"], row["waiting"]) == ("StateLimitExceeded", 1)
    (dropped,) = await rig.json("drop", row["id"], "--yes", "--reason", "a flood")
    assert (dropped["outcome"], dropped["events"]) == ("dropped", 2)
    (both,) = await rig.json("drop", f"1:2:{other}", "--all", "--yes")
    assert (both["outcome"], both["events"]) == ("dropped", 2)
    assert await rig.parked() == {}
    assert repeats[-1].id in await rig.drops()
    assert await rig.differences(*await rig.drops()) == []
    again = await rig.command("drop", row["id"], "--yes")
    assert again.code == 1
    assert "NoDeadLetter" in again.error


async def test_a_worker_killed_in_the_middle_of_a_release_goes_on_where_it_was(rig: Rig, worker: Process) -> None:
    ref = reference()
    events = [paid(ref, "POISON"), *[paid(ref, str(n)) for n in range(60)]]
    await rig.send(*events)
    await done(rig)
    worker.kill()
    rig.defect.unlink()
    (pending,) = await rig.json("release", f"1:2:{ref}", "--yes", "--timeout", "0", code=1)
    assert pending["outcome"] == "pending", "nobody runs who could carry it out"
    for _ in range(2):
        assert rig.worker(TEST_STEPS="4").start().wait(90) == -SIGKILL
    assert 0 < (await rig.parked())[f"1:2:{ref}"].first < len(events), "in the middle"
    late = paid(ref, "late")
    await rig.send(late)
    with rig.worker():
        await until(rig.parked, lambda seen: f"1:2:{ref}" not in seen, tries=600)
        await done(rig)
    ended = [e["event_id"] for each in await rig.records(topics.RESOLUTIONS) for e in each["events"]]
    mine = list(dict.fromkeys(each for each in ended if each in {e.id for e in events}))
    assert mine == [each.id for each in events], "in order, however often a step was repeated"
    assert (await shown(rig, ref))["paid"] == {"SEK": "651.00"}
    assert await rig.differences(*await rig.drops()) == []


async def test_parked_keys_move_with_their_partition_to_another_worker(rig: Rig, worker: Process) -> None:
    refs = [reference(partition) for partition in range(PARTITIONS)]
    for ref in refs:
        await rig.send(paid(ref, "POISON"), paid(ref, "2"))
    await done(rig)
    worker.kill()
    with rig.worker("other") as other:
        other.until_output("ready")
        await rig.send(*[confirmed(ref) for ref in refs])
        await until(rig.parked, lambda seen: all(seen[f"1:2:{ref}"].waiting == 2 for ref in refs), tries=600)
        rig.defect.unlink()
        freed = await rig.json("release", "--event-type", "OrderPaymentReceivedEvent", "--yes")
        assert [(each["outcome"], each["events"]) for each in freed] == [("released", 3)] * PARTITIONS
    assert await rig.differences(*await rig.drops()) == []


async def test_too_many_failures_stop_the_worker_with_nothing_committed_past_them(rig: Rig, worker: Process) -> None:
    worker.kill()
    refs = [reference(0) for _ in range(6)]
    await rig.send(*[paid(ref, "POISON") for ref in refs])
    for _ in range(2):
        with rig.worker(NORCE_WORKER_DEAD_LETTER_RUN="4") as stopped:
            assert stopped.wait(60) == 1
            assert "TooManyDeadLetters" in stopped.output
            assert "NORCE_WORKER_DEAD_LETTER_RUN" in stopped.output
        assert await rig.lag() >= 3, "at most one less than the limit may have been put aside"
        assert len(await rig.parked()) <= 3
    with rig.worker(NORCE_WORKER_DEAD_LETTER_RUN="40"):
        await done(rig)
        assert len(await rig.parked()) == 6
        rig.defect.unlink()
        await rig.json("release", "--kind", "order", "--yes")
    assert await rig.parked() == {}
    assert await rig.differences(*await rig.drops()) == []


async def test_the_changelog_ends_without_a_trace_of_what_was_parked(rig: Rig) -> None:
    """The last test of the module: everything was released or dropped by then."""
    newest = {(r.partition, r.key): r.value for r in await read_all(rig.servers, PARKED)}
    assert [key for (_, key), value in newest.items() if value is not None and not key.startswith(b"l")] == []
