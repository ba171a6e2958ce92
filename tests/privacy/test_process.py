"""The privacy process on a real broker, and the raw bytes that a forgotten person leaves on the disks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.partitions import home
from pipeline.privacy import FORGET, ORDERS_BUYERS, ORDERS_PRIVATE, PERSON_KEYS, PRIVACY_TOPICS
from pipeline.privacy.identifiers import PERSONAL_TOPICS, Identifier
from pipeline.settings import KafkaSettings
from tests.privacy.support import EMAIL, PHONE, PLANTED, buyer, encoded, event, ring
from tests.support.commands import run_command
from tests.support.kafka import create_topics, drained, read_all, until
from tests.support.processes import ROOT, Process

GROUP = "norce-privacy"
PARTITIONS = 2
READ = (*PERSONAL_TOPICS, FORGET)
QUICK = {
    "cleanup.policy": "compact",
    "max.compaction.lag.ms": "500",
    "segment.ms": "500",
    "delete.retention.ms": "500",
    "file.delete.delay.ms": "100",
}
"""The private topics' configuration with seconds for hours."""
OTHER = "other@example.com"
STATE = "state of person-keys"


class System:
    """A broker whose folder can be looked into, and the privacy process."""

    def __init__(self, cluster: KafkaCluster, folder: Path, kafka: KafkaSettings) -> None:
        (port,) = free_ports(1)
        self.kafka, self.broker_folder, self.state_folder = kafka, folder / "broker", folder / "state"
        self.servers = cluster.bootstrap_servers
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "NORCE_KAFKA_PARTITIONS": str(PARTITIONS),
            "NORCE_KAFKA_REPLICATION_FACTOR": "1",
            "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "1",
            "NORCE_PRIVACY_PSEUDONYM_KEYS": json.dumps({"p1": encoded(1)}),
            "NORCE_PRIVACY_ENCRYPTION_KEYS": json.dumps({"k1": encoded(101)}),
            "NORCE_PRIVACY_DATA_DIR": str(self.state_folder),
            "NORCE_PRIVACY_HOST": "127.0.0.1",
            "NORCE_PRIVACY_PORT": str(port),
            "NORCE_PRIVACY_INSTANCE_ID": "privacy-0",
            "NORCE_PRIVACY_TICK_INTERVAL": "1",
            "NORCE_LOG_LEVEL": "debug",
        }
        self.log = folder / "privacy.log"

    def process(self, **environment: str) -> Process:
        return Process("-m", "pipeline.cli", "privacy", log=self.log, environment={**self.environment, **environment})

    async def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": "/usr/bin:/bin", **self.environment, "NORCE_LOG_LEVEL": "info", **environment}
        return await asyncio.to_thread(run_command, words, variables)

    async def send(self, *records: Any) -> None:
        """Put events in the partitions that the connector chooses."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for each in records:
                partition = home(each.key, PARTITIONS)
                await producer.send_and_wait(
                    each.topic, each.value, key=each.key, partition=partition, headers=each.headers
                )
        finally:
            await producer.stop()

    async def done(self) -> None:
        await drained(self.servers, GROUP, *READ)

    async def newest(self, topic: str) -> dict[bytes, Any]:
        records = {(r.partition, r.key): r for r in await read_all(self.servers, topic)}
        return {record.key: json.loads(record.value) for record in records.values() if record.value is not None}

    async def wrapped(self, address: str) -> set[bytes]:
        """The wrapped data keys of a person, as they stand in the topic."""
        names = {name.encode() for name in ring(1).names(1, Identifier("email", address))}
        records = await read_all(self.servers, PERSON_KEYS)
        return {json.loads(r.value)["key"].encode() for r in records if r.key in names and r.value is not None}

    def on_disk(self, *needles: bytes) -> set[str]:
        """Topics of the broker, and tables as ``state of ...``, whose files hold any of the bytes."""
        broker = {_name(path) for path in self.broker_folder.rglob("*") if _holds(path, needles)}
        return broker | {f"state of {_name(path)}" for path in self.state_folder.rglob("*") if _holds(path, needles)}


def _name(path: Path) -> str:
    """The topic or table that a file belongs to."""
    return path.parent.name.rpartition("-")[0]


def _holds(path: Path, needles: Iterable[bytes]) -> bool:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):  # compaction has just replaced it
        return False
    return any(needle in content for needle in needles)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    # Otherwise the cleaner looks for something to do every 15 s.
    properties = {"log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "100"}
    async with KafkaCluster(data_dir=tmp_path / "broker", properties=properties) as cluster:
        kafka = KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
                "partitions": PARTITIONS,
                "replication_factor": 1,
                "min_insync_replicas": 1,
            }
        )
        await create_topics(cluster.bootstrap_servers, [PERSON_KEYS, ORDERS_PRIVATE], PARTITIONS, QUICK)
        await topics.create(kafka, [*topics.PUBLIC, *PRIVACY_TOPICS])
        yield System(cluster, tmp_path, kafka)


def orders() -> list[Any]:
    """Three orders of the planted person in both partitions, and one of somebody else."""
    made = [buyer(ref=ref) for ref in ("77", "78", "79")] + [event(ref="80", Email=OTHER, FirstName="Other")]
    assert len({home(record.key, PARTITIONS) for record in made[:3]}) == 2
    return made


async def test_values_are_sealed_buyers_are_pseudonyms_and_nothing_is_in_the_clear(system: System) -> None:
    await system.send(*orders())
    with system.process() as process:
        await system.done()
        buyers = await system.newest(ORDERS_BUYERS)
        assert buyers.keys() == {record.key for record in orders()}
        pseudonyms = [tuple(record["email"]) for key, record in sorted(buyers.items())]
        assert pseudonyms[0] == pseudonyms[1] == pseudonyms[2] != pseudonyms[3]
        revealed = await system.command("reveal", "1:2:77")
        assert json.loads(revealed.stdout)["email"] == [EMAIL], revealed.stderr
        planted = [text.encode() for text in PLANTED]
        assert system.on_disk(*planted) == {"norce.events.order"}  # raw, and private by access
        assert process.terminate() == 0
    assert not any(path.is_file() and ".db" in str(path.parent) for path in system.state_folder.rglob("*"))
    assert [text for text in PLANTED if text in process.output] == []


async def test_a_forgotten_person_cannot_be_read_and_no_disk_holds_the_key_any_more(system: System) -> None:
    await system.send(*orders())
    with system.process() as process:
        await system.done()
        await until(lambda: system.wrapped(EMAIL), lambda seen: len(seen) == 2)
        keys, others = await system.wrapped(EMAIL), await system.wrapped(OTHER)
        assert system.on_disk(*keys) == {PERSON_KEYS, STATE}

        done = await system.command("forget", "--email", EMAIL.upper(), "--phone", PHONE)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("destroyed  1:p1:") == 2  # one key for the address, one for the number

        for ref in ("77", "78", "79"):
            answer = await system.command("reveal", f"1:2:{ref}")
            assert (answer.returncode, "Forgotten" in answer.stderr) == (1, True), answer
        assert json.loads((await system.command("reveal", "1:2:80")).stdout)["first_name"] == ["Other"]
        assert STATE not in system.on_disk(*keys)  # the state, at once

        async def look() -> set[str]:
            return system.on_disk(*keys)

        await until(look, lambda seen: not seen, tries=600)  # the broker, by compaction
        assert system.on_disk(*others) == {PERSON_KEYS, STATE}
        assert await system.newest(ORDERS_PRIVATE)  # ciphertexts stay; nothing opens them
        assert process.terminate() == 0
    assert [text for text in PLANTED if text in process.output + done.stdout + done.stderr] == []


async def test_a_process_that_is_killed_takes_up_the_request_and_a_lost_state_brings_no_key_back(
    system: System,
) -> None:
    await system.send(*orders())
    with system.process() as process:
        await system.done()
        keys = await system.wrapped(EMAIL)
        process.kill()
    left = await system.command("forget", "--email", EMAIL, "--timeout", "1")
    assert left.returncode == 1
    assert "ForgetPending" in left.stderr
    assert EMAIL not in left.stderr
    assert system.on_disk(*keys)  # nothing has been destroyed yet
    with system.process() as process:
        await system.done()
        assert STATE not in system.on_disk(*keys)
        process.kill()
    with system.process() as process:
        await system.send(event(ref="81", Email=OTHER))
        await system.done()
        again = await system.command("forget", "--email", EMAIL)
        assert (again.returncode, "no data key was held" in again.stdout) == (0, True), again
        assert (await system.command("reveal", "1:2:77")).returncode == 1
        assert json.loads((await system.command("reveal", "1:2:81")).stdout) == {"email": [OTHER]}
        assert STATE not in system.on_disk(*keys)


CHANGED: Mapping[str, Mapping[str, str]] = {
    "'k1' of NORCE_PRIVACY_ENCRYPTION_KEYS": {"NORCE_PRIVACY_ENCRYPTION_KEYS": json.dumps({"k1": encoded(9)})},
    "'p1' of NORCE_PRIVACY_PSEUDONYM_KEYS": {"NORCE_PRIVACY_PSEUDONYM_KEYS": json.dumps({"p1": encoded(9)})},
}
"""Another secret under an id that was used before."""


async def test_a_key_that_is_not_the_first_one_of_its_id_stops_everything_by_name_and_costs_nothing(
    system: System,
) -> None:
    await system.send(*orders())
    with system.process():
        await system.done()
    await system.send(event("OrderDeliveredEvent", ref="77", CellPhone="070 2"))
    for told, settings in CHANGED.items():
        with system.process(**settings) as process:
            assert process.wait() == 2
        assert f"error: ChangedKey: not the secrets that were first used under these ids: {told}." in process.output
        for words in (("forget", "--email", EMAIL), ("reveal", "1:2:77")):
            answer = await system.command(*words, **settings)
            assert (answer.returncode, "ChangedKey" in answer.stderr) == (1, True), answer
    unknown = {"NORCE_PRIVACY_ENCRYPTION_KEYS": json.dumps({"k2": encoded(9)}), "NORCE_PRIVACY_ENCRYPTION_KEY_ID": "k2"}
    with system.process(**unknown) as process:
        assert process.wait() == 1
    assert "UnknownEncryptionKey" in process.output
    with system.process():
        await system.done()
        assert json.loads((await system.command("reveal", "1:2:77")).stdout)["cell_phone"] == [PHONE, "070 2"]


async def test_after_a_rotation_every_buyer_is_published_under_the_new_key_though_no_event_comes(
    system: System,
) -> None:
    await system.send(*orders())
    with system.process() as process:
        await system.done()
        assert process.terminate() == 0
    rotated = {
        "NORCE_PRIVACY_PSEUDONYM_KEYS": json.dumps({"p1": encoded(1), "p2": encoded(2)}),
        "NORCE_PRIVACY_PSEUDONYM_KEY_ID": "p2",
    }
    with system.process(**rotated):
        buyers = await until(
            lambda: system.newest(ORDERS_BUYERS),
            lambda seen: all(any(name.startswith("p2:") for name in record["email"]) for record in seen.values()),
        )
    assert buyers.keys() == {record.key for record in orders()}


async def test_settings_that_cannot_be_right_are_named_without_showing_a_key(tmp_path: Path) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "NORCE_PRIVACY_PSEUDONYM_KEYS": json.dumps({"p1": "cGxhbnRlZA=="}),
        "NORCE_PRIVACY_ENCRYPTION_KEYS": json.dumps({"k1": "planted!"}),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pipeline.cli", "privacy"],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    for variable in ("NORCE_PRIVACY_PSEUDONYM_KEYS", "NORCE_PRIVACY_ENCRYPTION_KEYS"):
        assert f"{variable}: key " in done.stderr
    assert "anted" not in done.stderr
