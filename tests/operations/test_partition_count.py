"""More partitions, as the runbook says: nothing is lost, and everything is where its key belongs."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from pipeline.rebuild import cli, repartition
from pipeline.rebuild.course import RebuildRefused
from pipeline.rebuild.repartition import ASIDE, INDEXED, router
from pipeline.run import stack
from pipeline.settings import KafkaSettings
from pipeline.settings_report import all_topics
from tests.operations.runbooks import commands, given
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import produce, read_all
from tests.support.terminal import sitting_at

BEFORE, AFTER = 4, 8
(REPARTITION,) = commands("partition-count.md")
BESIDE = ("lookup", "drift", "privacy")


@pytest.mark.parametrize("name", ["norce.events.order", topics.ORDERS_ENRICHED, topics.UPDATES, topics.COMMANDS])
def test_a_record_goes_to_the_partition_of_its_key(name: str) -> None:
    for number in range(200):
        key = b"103:1032:%d" % number
        assert tuple(router(name, 4, 12)(key, b"{}", home(key, 4))) == (home(key, 12),)


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("key", [b"sorder|103:1032:1|2", b"d00001796037472179216|order|103:1032:1|2"])
def test_what_is_kept_of_a_thing_goes_where_the_thing_goes(name: str, key: bytes) -> None:
    subject = b"103:1032:1|2"
    assert tuple(router(name, 4, 12)(key, b"", home(subject, 4))) == (home(subject, 12),)


def test_an_alert_goes_where_its_subject_goes() -> None:
    said, partition = b'{"subject_key": "103:1032:7"}', home(b"103:1032:7", 4)
    assert tuple(router(topics.ALERTS, 4, 8)(b"any", said, partition)) == (home(b"103:1032:7", 8),)


def test_what_is_said_of_a_partition_is_said_of_all_that_it_is_split_into() -> None:
    route = router("norce.orders.private", 4, 12)
    assert tuple(route(b"tick", b"", (home(b"tick", 4) + 1) % 4)) == tuple(range((home(b"tick", 4) + 1) % 4, 12, 4))
    assert tuple(router("norce.person-keys", 4, 12)(b"101:p1:x", b"", 2)) == (2, 6, 10)


def test_a_record_without_a_key_stays_in_its_partition() -> None:
    assert tuple(router("norce.events.order", 4, 8)(None, b"", 3)) == (3,)


# -- cut short, or refused ---------------------------------------------------------------------------------------------

FEW = {"norce.events.order", topics.ORDERS_ENRICHED, topics.QUARANTINE, topics.LEDGER, repartition.PARKED}
KEYS = [b"103:1032:%d" % number for number in range(20)]
RECORDS = 3 * len(KEYS)


@pytest.fixture
async def few(fresh_kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """A few topics with records, each numbered, before their partitions are changed."""
    specs = [spec for spec in all_topics() if spec.name in FEW]
    monkeypatch.setattr(repartition, "all_topics", lambda: specs)
    given = {"replication_factor": 1, "min_insync_replicas": 1, "partitions": BEFORE}
    kafka = KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": fresh_kafka.bootstrap_servers, **given})
    await topics.create(kafka, specs)
    for name in FEW - {repartition.PARKED}:
        for key in KEYS:
            await produce(
                kafka.bootstrap_servers, name, [(key, b"%d" % number) for number in range(3)], home(key, BEFORE)
            )
    return kafka.model_copy(update={"partitions": AFTER})


async def said(kafka: KafkaSettings, name: str) -> dict[tuple[bytes, int], list[bytes]]:
    """What each key says in each partition of a topic, in order; records that are there twice once."""
    found: dict[tuple[bytes, int], list[bytes]] = {}
    for record in await read_all(kafka.bootstrap_servers, name):
        here = found.setdefault((record.key, record.partition), [])
        here += [record.value] * (record.value not in here)
    return found


async def test_what_was_cut_short_after_any_copy_is_repeated_and_loses_nothing(
    few: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, calls = repartition._copy, itertools.count(1)

    def cut_short(*given: Any) -> dict[int, int]:
        done = copy(*given)
        if next(calls) % 2 == 0:
            raise RebuildRefused("go on", "the power is cut")
        return done

    monkeypatch.setattr(repartition, "_copy", cut_short)
    for name in ("bootstrap_servers", "partitions", "replication_factor", "min_insync_replicas"):
        monkeypatch.setenv(KafkaSettings.variable(name), str(getattr(few, name)))
    cuts: list[str] = []
    drawn: list[str] = []
    while True:
        try:
            with sitting_at(drawn, monkeypatch):
                await asyncio.to_thread(cli.repartition, yes=True, wait=60)
        except RebuildRefused as error:
            cuts.append(str(error))
        else:
            break
    assert ["the power is cut" in cut for cut in cuts] == [True] * 3  # of two topics: there, and back
    for stage, count in (("copying norce.events.order, 1 of 2", RECORDS), ("giving topics more partitions", 1)):
        assert re.search(rf"{stage}.*━.*{count}/{count}", "".join(drawn)), f"no bar for {stage}: {drawn[0][-2000:]}"
    for name in ("norce.events.order", topics.ORDERS_ENRICHED):
        assert await said(few, name) == {(key, home(key, AFTER)): [b"0", b"1", b"2"] for key in KEYS}
    assert await said(few, topics.QUARANTINE) == {(key, home(key, BEFORE)): [b"0", b"1", b"2"] for key in KEYS}
    assert await said(few, topics.LEDGER) == {}
    counts = await topics.partition_counts(few)
    assert {name: count for name, count in counts.items() if name.startswith("norce")} == dict.fromkeys(FEW, AFTER)
    assert await repartition.repartition(few) == repartition.Repartitioned((), (), ())


async def test_a_topic_that_is_written_to_meanwhile_is_refused_and_kept(
    few: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repartition, "_copy", lambda *given: {0: 0})
    before = await said(few, "norce.events.order")
    with pytest.raises(repartition.StillWritten, match="was written to while it was copied"):
        await repartition.repartition(few)
    assert await said(few, "norce.events.order") == before


async def test_nothing_is_moved_while_keys_are_parked(few: KafkaSettings) -> None:
    await produce(few.bootstrap_servers, repartition.PARKED, [(KEYS[0], b"waits")])
    with pytest.raises(repartition.KeysParked, match="1 records of parked keys"):
        await repartition.repartition(few)
    counts = await topics.partition_counts(few)
    assert {counts[name] for name in FEW} == {BEFORE}


# -- all of it ---------------------------------------------------------------------------------------------------------


async def run(system: System, partitions: int, error: str | None = None) -> str:
    """The runbook's command for so many partitions."""
    environment = {**system.stack.environment, "NORCE_KAFKA_PARTITIONS": str(partitions)}
    code, said = await given(environment, *REPARTITION, "--wait", "0" if error == "GroupInUse" else "60")
    assert code == (3 if error else 0), said
    assert (error or f"every topic has {partitions} partitions") in said
    assert error or ("copying norce.events.order" in said and "━" in said), said
    return said


async def moved(system: System, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, int]:
    """Lay the topics of a stopped system out anew, and go on with the new number; how many partitions topics have."""
    for name in ("worker", "sink-connect", "sink-checkout", "lookup", "drift"):
        shutil.rmtree(system.stack.folder / name, ignore_errors=True)
    await run(system, AFTER)
    monkeypatch.setattr(stack, "PARTITIONS", AFTER)
    system.stack.environment["NORCE_KAFKA_PARTITIONS"] = str(AFTER)
    return await topics.partition_counts(KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": system.servers}))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_partitions_are_changed_while_norce_waits_and_nothing_is_lost(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = await make_system(NORCE_SIMULATOR_ORDERS=80, NORCE_SIMULATOR_RATE=30, NORCE_SIMULATOR_FAILURES=0)
    await system.start(*ALL, *BESIDE, "simulator")
    await system.until(lambda seen: seen.taken > 0.3)
    await run(system, AFTER, "GroupInUse")
    for name in (*ALL, *BESIDE):
        assert await system.stop(name) == 0, name
    await run(system, AFTER - 1, "NotAMultiple")
    orders = await system.enriched()
    assert orders

    counts = await moved(system, monkeypatch)
    assert {count for name, count in counts.items() if name.startswith("norce")} == {AFTER}
    assert not [name for name in counts if name.endswith(ASIDE)]
    for record in await read_all(system.servers, *EVENT_TOPICS, *topics.ENRICHED.values(), topics.UPDATES):
        assert record.partition == home(record.key, AFTER)
    assert await system.enriched() == orders

    await system.start(*ALL, *BESIDE)
    await system.until_done()
    assert await system.differences() == []
    assert await system.failed_checks() == []
    later = await system.enriched()
    assert all(later[key]["version"] >= order["version"] for key, order in orders.items())
