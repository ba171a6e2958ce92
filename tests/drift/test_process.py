"""The drift watch as a process on a real broker: one report per shape, also after kills, and events pass untouched."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.drift import DRIFT, DRIFT_TABLES, DRIFT_TOPICS
from pipeline.drift.reported import Reported
from pipeline.drift.reports import MAX_REPORTS
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from pipeline.settings import KafkaSettings
from tests.drift.bodies import CONFIRMED, CONFIRMED_BODY, RECEIVED, RECEIVED_BODY, record, refused
from tests.support.kafka import drained, produce, read_all, until
from tests.support.processes import Process

GROUP = "norce-drift"
PARTITIONS = 3
WATCHED = (*EVENT_TOPICS, topics.QUARANTINE)


@pytest.fixture
async def kafka_settings(fresh_kafka: KafkaCluster) -> KafkaSettings:
    settings = KafkaSettings.model_validate(
        {
            "KAFKA_BOOTSTRAP_SERVERS": fresh_kafka.bootstrap_servers,
            "partitions": PARTITIONS,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        }
    )
    await topics.create(settings, [*topics.catalogue((GROUP, DRIFT_TABLES)), *DRIFT_TOPICS])
    return settings


@pytest.fixture
def watch(kafka_settings: KafkaSettings, tmp_path: Path) -> Process:
    (port,) = free_ports(1)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_settings.bootstrap_servers,
        "NORCE_KAFKA_PARTITIONS": str(PARTITIONS),
        "NORCE_KAFKA_REPLICATION_FACTOR": "1",
        "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "1",
        "NORCE_DRIFT_DATA_DIR": str(tmp_path / "drift"),
        "NORCE_DRIFT_HOST": "127.0.0.1",
        "NORCE_DRIFT_PORT": str(port),
        "NORCE_DRIFT_INSTANCE_ID": "drift-0",
        "NORCE_DRIFT_BODIES_BEFORE": "10",
        "NORCE_DRIFT_BODIES_WITHOUT": "5",
    }
    return Process("-m", "pipeline.cli", "drift", log=tmp_path / "drift.log", environment=environment)


async def send(servers: str, records: Iterable[Any]) -> None:
    """Put records where they say they stand."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for each in records:
            await producer.send_and_wait(
                each.topic, each.value, key=each.key, partition=each.partition, headers=each.headers
            )
    finally:
        await producer.stop()


async def watched(kafka: KafkaSettings) -> list[Any]:
    """The drift topic once everything sent so far was looked at."""
    await drained(kafka.bootstrap_servers, GROUP, *WATCHED)
    return await read_all(kafka.bootstrap_servers, DRIFT)


def drifting(field: str, value: Any, partition: int = 0) -> Any:
    return record(CONFIRMED, {**CONFIRMED_BODY, field: value}, partition=partition)


async def test_drift_in_any_partition_and_in_quarantine_is_one_report_per_shape(
    kafka_settings: KafkaSettings, watch: Process
) -> None:
    servers = kafka_settings.bootstrap_servers
    events = [drifting("GiftWrap", n, partition=n % PARTITIONS) for n in range(30)]
    events += [drifting("GiftWrap", "planted-value", partition=n) for n in range(PARTITIONS)]
    events += [record(CONFIRMED, CONFIRMED_BODY, partition=n) for n in range(PARTITIONS)]
    events += [refused("OrderConfirmedEvent", {**CONFIRMED_BODY, "OrderNo": ["planted-value"]})] * 3
    await send(servers, events)
    with watch:
        reports = await watched(kafka_settings)
        found = {
            (r["field"], r["kind"], json.dumps(r["observed"])) for r in map(json.loads, (r.value for r in reports))
        }
        assert found == {
            ("GiftWrap", "added", '"integer"'),
            ("GiftWrap", "added", '"string"'),
            ("OrderNo", "retyped", '["string"]'),
        }
        assert len(reports) == 3
        assert all(report.partition == home(report.key, PARTITIONS) for report in reports)
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{watch.environment['NORCE_DRIFT_PORT']}/metrics")).text
        assert 'norce_pipeline_drift_reports{event_type="OrderConfirmedEvent"} 3.0' in metrics
        assert watch.terminate() == 0
    raw = [r.value for r in await read_all(servers, *WATCHED)]
    assert sorted(raw) == sorted(event.value for event in events)
    assert all(b"planted-value" not in r.value + r.key for r in await read_all(servers, DRIFT))
    assert "planted-value" not in watch.output


async def test_a_watch_that_is_killed_and_started_again_reports_nothing_twice(
    kafka_settings: KafkaSettings, watch: Process, tmp_path: Path
) -> None:
    servers = kafka_settings.bootstrap_servers
    for turn in range(4):
        await send(servers, [drifting(f"New{n % (turn + 2)}", n, n % PARTITIONS) for n in range(20)])
        watch.environment["NORCE_DRIFT_DATA_DIR"] = str(tmp_path / f"drift{turn // 2}")  # once with the volume lost
        with watch:
            await until(lambda: read_all(servers, DRIFT), lambda seen: len(seen) >= turn + 2)  # noqa: B023
            watch.kill()  # as a rule before the offsets are committed
    with watch:
        reports = await watched(kafka_settings)
    assert sorted(json.loads(r.value)["field"] for r in reports) == [f"New{n}" for n in range(5)]


async def test_a_field_that_stops_is_reported_although_the_watch_was_restarted_in_between(
    kafka_settings: KafkaSettings, watch: Process
) -> None:
    servers = kafka_settings.bootstrap_servers
    with_it = record(RECEIVED, {**RECEIVED_BODY, "Email": "planted@example.com"})
    await send(servers, [with_it] * 12 + [record(RECEIVED, RECEIVED_BODY)] * 3)
    with watch:
        assert await watched(kafka_settings) == []
        watch.kill()
    await send(servers, [record(RECEIVED, RECEIVED_BODY)] * 3)
    with watch:
        (report,) = await watched(kafka_settings)
    assert (json.loads(report.value)["kind"], json.loads(report.value)["field"]) == ("stopped", "Email")
    assert b"planted" not in b"".join((r.value or b"") for r in await read_all(servers, f"{GROUP}-windows-changelog"))


async def test_shapes_without_end_are_one_report_that_says_so(kafka_settings: KafkaSettings, watch: Process) -> None:
    servers = kafka_settings.bootstrap_servers
    await send(servers, [drifting(f"New{n}", 1) for n in range(MAX_REPORTS + 20)])
    await send(servers, [refused(f"New{n}Event", {}, "unknown_event_type") for n in range(MAX_REPORTS + 20)])
    with watch:
        kinds = Counter(json.loads(report.value)["kind"] for report in await watched(kafka_settings))
    assert kinds == {"added": MAX_REPORTS, "unknown_type": MAX_REPORTS, "too_many": 2}


async def given(watch: Process, *words: str, code: int = 0) -> str:
    """What ``norce-pipeline drift-reports`` says in the surroundings of the watch."""
    log = watch.log.with_name(f"{uuid.uuid4()}.log")
    command = Process("-m", "pipeline.cli", "drift-reports", *words, log=log, environment=watch.environment)
    assert await asyncio.to_thread(command.start().wait) == code, command.output
    return command.output


async def test_a_report_that_was_closed_is_counted_no_more(kafka_settings: KafkaSettings) -> None:
    """A tombstone is noticed with the next bodies, whatever is in them."""
    servers = kafka_settings.bootstrap_servers
    key, tombstone = f"{RECEIVED.name}:some", cast(Any, None)
    await produce(servers, DRIFT, [(key.encode(), b"{}")], partition=home(key.encode(), PARTITIONS))
    async with Reported(kafka_settings) as reported:
        assert counted(RECEIVED.name) == 1
        await produce(servers, DRIFT, [(key.encode(), tombstone)], partition=home(key.encode(), PARTITIONS))
        assert await reported.news([]) == []
        assert counted(RECEIVED.name) == 1, "not with every slice"
        with patch("pipeline.drift.reported.LOOK_SECONDS", 0.0):
            assert await reported.news([]) == []
        assert counted(RECEIVED.name) is None


def counted(event_type: str) -> float | None:
    return REGISTRY.get_sample_value("norce_pipeline_drift_reports", {"event_type": event_type})


async def test_a_report_that_was_closed_is_made_again_when_its_shape_comes_again(
    kafka_settings: KafkaSettings, watch: Process
) -> None:
    servers = kafka_settings.bootstrap_servers
    await send(servers, [drifting("GiftWrap", 1)])
    with watch:
        (report,) = await watched(kafka_settings)
        key = report.key.decode()
        (listed,) = json.loads(await given(watch, "list", "--json"))
        assert (listed["key"], listed["field"]) == (key, "GiftWrap")
        assert "NoDriftReport: no report stands under other" in await given(watch, "close", key, "other", code=1)
        assert await given(watch, "close", key) == f"closed  {key}\n"
        assert await given(watch, "list") == "no report stands\n"
        await send(servers, [drifting("GiftWrap", 2)])
        records = await until(lambda: read_all(servers, DRIFT), lambda seen: len(seen) == 3)
    assert [r.value is None for r in records] == [False, True, False]
    async with Reported(kafka_settings) as reported:
        assert reported.keys == {report.key.decode()}
