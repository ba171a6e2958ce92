"""Which broker a machine gets: each machine is a PATH and a cache folder of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.broker import (
    FetchFailed,
    InMemoryCluster,
    JavaMissing,
    JavaTooOld,
    KafkaCluster,
    MavenMissing,
    discover,
    open_broker,
)
from pipeline.broker.choice import BOOTSTRAP_SERVERS_VARIABLE
from pipeline.broker.distribution import VERSION, cache_folder, fetch_distribution, find_distribution
from tests.broker.support import create_topic, producing, values_of


class Machine:
    """A machine with the programs that are put on it."""

    def __init__(self, folder: Path) -> None:
        self._programs = folder / "bin"
        self._programs.mkdir()
        self.environment = {"PATH": str(self._programs), "XDG_CACHE_HOME": str(folder / "cache")}
        self.jars = cache_folder(self.environment)

    def with_program(self, name: str, script: str) -> Machine:
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return self

    def with_java(self, version: str = "17") -> Machine:
        return self.with_program("java", f'echo "    java.specification.version = {version}" >&2')

    def with_jars(self) -> Machine:
        self.jars.mkdir(parents=True)
        return self


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_named_broker_wins_over_everything(machine: Machine) -> None:
    machine.with_java().with_jars().environment["KAFKA_BOOTSTRAP_SERVERS"] = "kafka.example.com:9092"

    assert discover(machine.environment).kind == "external"


async def test_a_named_broker_is_used_as_it_is(machine: Machine) -> None:
    machine.environment["KAFKA_BOOTSTRAP_SERVERS"] = "a.example.com:9092,b.example.com:9092"

    async with open_broker(environment=machine.environment) as broker:
        assert broker.bootstrap_servers == "a.example.com:9092,b.example.com:9092"
        assert broker.limits is None
        assert broker.replicas is None


def test_java_and_maven_give_apache_kafka(machine: Machine) -> None:
    choice = discover(machine.with_java("25").with_program("mvn", "exit 1").environment)

    assert choice.kind == "apache-kafka"
    assert choice.reason == f"Apache Kafka {VERSION} on Java 25"


def test_fetched_jars_need_no_maven(machine: Machine) -> None:
    assert discover(machine.with_java().with_jars().environment).kind == "apache-kafka"


def test_java_home_comes_before_the_path(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "home" / "bin").mkdir(parents=True)
    machine.with_java("17").with_jars()
    shutil.move(tmp_path / "bin" / "java", tmp_path / "home" / "bin" / "java")
    machine.with_java("11").environment["JAVA_HOME"] = str(tmp_path / "home")

    assert find_distribution(machine.environment).java.major == 17


def test_no_java_is_an_error_with_a_name(machine: Machine) -> None:
    with pytest.raises(JavaMissing, match="no Java in JAVA_HOME or on the PATH"):
        find_distribution(machine.environment)


def test_a_java_that_only_says_where_to_get_one_is_no_java(machine: Machine) -> None:
    with pytest.raises(JavaMissing, match="does not run"):
        find_distribution(machine.with_program("java", "exit 1").environment)


@pytest.mark.parametrize("version", ["1.8", "11", "16"])
def test_an_old_java_is_an_error_with_a_name(machine: Machine, version: str) -> None:
    with pytest.raises(JavaTooOld, match="needs Java 17 or newer"):
        find_distribution(machine.with_java(version).environment)


def test_no_maven_is_an_error_with_a_name(machine: Machine) -> None:
    with pytest.raises(MavenMissing, match="no mvn on the PATH"):
        find_distribution(machine.with_java().environment)


async def test_a_cluster_does_not_fall_back_to_anything(machine: Machine) -> None:
    with pytest.raises(JavaMissing):
        await KafkaCluster(environment=machine.environment).start()


async def test_without_java_the_in_memory_broker_says_what_it_cannot_show(machine: Machine) -> None:
    lines: list[str] = []

    async with open_broker(environment=machine.environment, report=lines.append) as broker:
        assert broker.kind == "in-memory"
        assert broker.topic_partitions == 4
        assert broker.replicas == 1

    (line,) = lines
    assert line.startswith("Apache Kafka cannot run here: no Java")
    assert "one worker only, no compaction" in line
    assert "nothing survives a restart" in line


async def test_a_failed_fetch_leaves_no_jars_and_gives_the_in_memory_broker(machine: Machine) -> None:
    machine.with_java().with_program("mvn", "echo repository unreachable; exit 1")
    lines: list[str] = []

    async with open_broker(environment=machine.environment, report=lines.append) as broker:
        assert broker.kind == "in-memory"

    assert "repository unreachable" in lines[-1]
    assert [path.name for path in machine.jars.parent.iterdir() if path.is_dir()] == []


async def test_jars_that_are_not_the_expected_ones_are_refused(machine: Machine) -> None:
    fetch = (
        'for a in "$@"; do case $a in -DoutputDirectory=*) echo altered > "${a#*=}/kafka_2.13-4.1.1.jar";; esac; done'
    )

    with pytest.raises(FetchFailed, match=r"altered: .*kafka_2\.13-4\.1\.1\.jar"):
        await fetch_distribution(environment=machine.with_java().with_program("mvn", fetch).environment)

    assert not machine.jars.exists()


async def test_maven_fetches_the_expected_jars_once(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    lines: list[str] = []

    first = await fetch_distribution(lines.append, environment)
    second = await fetch_distribution(lines.append, {**environment, "PATH": os.path.dirname(first.java.program)})

    assert first == second
    assert (first.home / "libs" / f"kafka_2.13-{VERSION}.jar").is_file()
    assert len(lines) == 1


async def test_a_local_run_gets_an_apache_kafka_of_its_own() -> None:
    environment = {name: value for name, value in os.environ.items() if name != BOOTSTRAP_SERVERS_VARIABLE}

    async with open_broker(environment=environment) as broker, producing(broker.bootstrap_servers) as producer:
        assert broker.kind == "apache-kafka"
        assert broker.limits is None
        await create_topic(broker.bootstrap_servers, "t")
        await producer.send_and_wait("t", b"one")


async def test_the_in_memory_broker_takes_and_gives_records() -> None:
    async with InMemoryCluster() as memory, producing(memory.bootstrap_servers) as producer:
        sent = await producer.send_and_wait("t", b"one", partition=0)

        assert sent.offset == 0
        assert await values_of(memory.bootstrap_servers, "t") == [b"one"]
