"""The audit of many records: memory that does not grow with them, and no trouble for what is running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import Producer

from connectors.webhook.records import RecordFactory
from pipeline.broker import KafkaCluster
from pipeline.events import EVENT_TYPES
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from tests.pipeline.system import System
from tests.support.kafka import drained, until
from tests.support.processes import ROOT, Process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

MEASURED = """
import resource, sys
from pipeline.cli import main
sys.argv = ["norce-pipeline", "audit", "--json", "--settled", "--bucket", "7d", "--rate", "1000", *sys.argv[1:]]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
FACTORY = RecordFactory("https://norce.example.com/webhooks")
LIFE = ("OrderReceivedEvent", "OrderConfirmedEvent", "OrderConfirmedEvent", "OrderDeliveredEvent")


def publish(servers: str, partitions: int, orders: range, life: tuple[str, ...] = LIFE) -> None:
    """Events as the connector would write them: each order with a life and a repeat."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "queue.buffering.max.messages": 200_000})
    for event_type in life:
        spec = EVENT_TYPES[event_type]
        for number in orders:
            body = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": str(number), "Source": "WEB"}
            body |= {"OrderId": number, "OrderNo": f"SO{number}"}
            raw = json.dumps(body).encode()
            record = FACTORY.event(spec, spec.model.model_validate_json(raw), raw)
            while True:
                try:
                    producer.produce(
                        record.topic,
                        record.value,
                        record.key,
                        home(record.key or b"", partitions),
                        timestamp=record.timestamp,
                        headers=list[tuple[str, str | bytes | None]](record.headers),
                    )
                    break
                except BufferError:
                    producer.poll(0.5)
        producer.poll(0)
    assert producer.flush(120) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A broker and a worker; nothing is pushed, so no sinks."""
    folder = tmp_path_factory.mktemp("system")
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"default": {"connect": {"enabled": False}, "checkout": {"enabled": False}}}))
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, folder, client, {"NORCE_WORKER_PUSH_POLICY_FILE": policy})
        try:
            await made.start("worker")
            yield made
        finally:
            await made.stack.stop()


async def measured(system: System, folder: Path, *options: str) -> tuple[dict[str, Any], int, float]:
    """An audit by the command: what it prints, its peak memory in KiB, and its seconds."""
    started = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", MEASURED, "--temp-dir", str(folder), *options],
        env={**system.stack.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert os.listdir(folder) == []  # nothing temporary stays
    return json.loads(done.stdout), int(done.stderr.split()[-1]), time.monotonic() - started


def received(report: dict[str, Any]) -> int:
    return sum(row["received"] for row in report["events"])


async def worked_off(system: System, tries: int = 1200) -> None:
    await drained(system.servers, system.stack.groups.worker, *EVENT_TOPICS, tries=tries)


def scaled(orders: int, folder: Path) -> dict[str, Any]:
    """An audit of made-up orders in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit.scale", str(orders), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["problems"], found["pending"], found["events"]) == ([], 0, 4 * orders)
    return found


async def test_four_times_the_records_take_about_the_same_memory(tmp_path: Path) -> None:
    few, many = [await asyncio.to_thread(scaled, orders, tmp_path) for orders in (4_000, 16_000)]
    # Up to the size of the database's cache it grows a little; 48,000 events in memory would be several times that.
    assert many["kib"] < 1.5 * few["kib"]


async def test_an_audit_while_events_come_in_finds_nothing_wrong_and_nothing_stands_still(
    system: System, tmp_path: Path
) -> None:
    before = await system.observer.look()
    posting = asyncio.create_task(
        asyncio.to_thread(publish, system.servers, system.stack.kafka.partitions, range(20_000, 24_000))
    )
    looks = 0
    while not posting.done() or looks < 2:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "pipeline.cli", "audit", "--json", "--temp-dir", str(tmp_path)],
            env={**system.stack.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
        assert json.loads(done.stdout)["problems"] == []
        looks += 1
    await posting
    await worked_off(system)
    after = await system.observer.look()
    assert after.events["applied"] - before.events["applied"] == 3 * 4_000
    assert after.worker.total("norce_pipeline_ready") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_audit_ends_at_once_and_leaves_nothing_behind(
    system: System, tmp_path: Path, number: int
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    slow = ("audit", "--rate", "0.1", "--temp-dir", str(folder))
    with Process("-m", "pipeline.cli", *slow, log=tmp_path / "log", environment=system.stack.environment) as process:
        await until(lambda: asyncio.to_thread(os.listdir, folder), bool)
        process.signal(number)
        assert await asyncio.to_thread(process.wait) == 130
    assert "nothing was decided" in process.output
    assert os.listdir(folder) == []


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_a_million_events_are_audited_within_the_same_memory(system: System, tmp_path: Path) -> None:
    await asyncio.to_thread(publish, system.servers, system.stack.kafka.partitions, range(100_000, 350_000))
    await worked_off(system, tries=15_000)
    report, kib, seconds = await measured(system, tmp_path)
    print(f"{received(report)} events: {kib / 1024:.0f} MiB at most, {seconds:.0f} s")
    assert received(report) >= 1_000_000
    assert report["balanced"]
    assert report["pending"] == 0
    assert kib < 400 * 1024
