"""A local Apache Kafka: it serves, it survives what a real one survives, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from pathlib import Path

import pytest

from pipeline.broker import BrokerUnavailable, KafkaCluster, cluster
from pipeline.broker.configuration import Endpoint
from pipeline.broker.distribution import fetch_distribution
from pipeline.broker.identity import cluster_identity
from pipeline.broker.node import Node
from pipeline.broker.ports import free_ports
from pipeline.broker.readiness import listed_brokers
from tests.broker.support import create_topic, partition_leader, producing, send, values_of
from tests.support.kafka import topic_configuration, until


async def test_a_started_node_serves(fresh_kafka: KafkaCluster) -> None:
    await create_topic(fresh_kafka.bootstrap_servers, "t")
    await send(fresh_kafka.bootstrap_servers, "t", b"one", b"two")

    assert await values_of(fresh_kafka.bootstrap_servers, "t") == [b"one", b"two"]


async def test_every_one_of_three_nodes_lists_all_three(kafka_cluster: KafkaCluster) -> None:
    lists = [await listed_brokers(kafka_cluster.address(node)) for node in (1, 2, 3)]

    assert lists == [{1, 2, 3}] * 3


async def test_a_node_is_ready_only_when_it_lists_the_others(tmp_path: Path) -> None:
    endpoint = Endpoint(1, *free_ports(2))
    node = Node(endpoint, tmp_path / "node", await fetch_distribution(), heap_mb=256)
    await node.prepare(cluster_identity(tmp_path, 1), [endpoint], {})
    node.start()
    try:
        await node.wait_until_serving(frozenset(), patience=60)
        with pytest.raises(BrokerUnavailable, match=r"it lists brokers \[1\], expected are \[1, 2\]"):
            await node.wait_until_serving(frozenset({2}), patience=0.5)
    finally:
        await node.kill()


async def test_whoever_gives_up_waiting_for_a_node_leaves_no_connection_behind(
    fresh_kafka: KafkaCluster, recwarn: pytest.WarningsRecorder
) -> None:
    node = fresh_kafka._nodes[1]
    for wait in range(30):
        async with asyncio.timeout(20):
            with pytest.raises(BrokerUnavailable, match="expected are"):
                await node.wait_until_serving(frozenset({2}), patience=wait / 1000)
    gc.collect()

    assert [str(each.message) for each in recwarn if each.category is ResourceWarning] == []


async def test_on_three_nodes_a_topic_needs_two_replicas_in_sync(kafka_cluster: KafkaCluster, unique: str) -> None:
    await create_topic(kafka_cluster.bootstrap_servers, unique, replicas=kafka_cluster.replicas)

    assert (await topic_configuration(kafka_cluster.bootstrap_servers, unique))["min.insync.replicas"] == "2"


async def test_three_nodes_acknowledge_to_all_replicas_when_the_leader_was_killed(
    kafka_cluster: KafkaCluster, unique: str
) -> None:
    servers = kafka_cluster.bootstrap_servers
    await create_topic(servers, unique, replicas=3)
    async with producing(servers) as producer:
        await producer.send_and_wait(unique, b"before")
        leader = await partition_leader(servers, unique)

        await kafka_cluster.kill_node(leader)
        await producer.send_and_wait(unique, b"after")

    assert kafka_cluster.serving == {1, 2, 3} - {leader}
    assert await values_of(servers, unique) == [b"before", b"after"]


async def test_one_of_three_nodes_acknowledges_nothing_until_others_are_back(
    kafka_cluster: KafkaCluster, unique: str
) -> None:
    servers = kafka_cluster.bootstrap_servers
    await create_topic(servers, unique, replicas=3)
    async with producing(servers) as producer:
        await producer.send_and_wait(unique, b"before")

        await asyncio.gather(kafka_cluster.kill_node(1), kafka_cluster.kill_node(2))
        acknowledged = await producer.send(unique, b"during")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(acknowledged), timeout=2)

        await kafka_cluster.repair()
        await acknowledged

    assert kafka_cluster.serving == {1, 2, 3}
    assert await values_of(servers, unique) == [b"before", b"during"]


async def stands_still(pid: int | None) -> bool:
    """Whether a paused process has come to a stop: its threads do one after the other. Where Linux tells."""
    threads = await asyncio.to_thread(lambda: [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")])
    return all(thread.rpartition(")")[2].split()[0] == "T" for thread in threads)


async def test_a_paused_broker_acknowledges_only_after_it_is_resumed(fresh_kafka: KafkaCluster) -> None:
    servers = fresh_kafka.bootstrap_servers
    await create_topic(servers, "t")
    async with producing(servers) as producer:
        await producer.send_and_wait("t", b"before")

        fresh_kafka.pause_node(1)
        await until(lambda: stands_still(fresh_kafka.pid(1)), bool)
        acknowledged = await producer.send("t", b"during")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(acknowledged), timeout=1)
        assert fresh_kafka.serving == frozenset()

        fresh_kafka.resume_node(1)
        await acknowledged

    assert fresh_kafka.serving == {1}
    assert await values_of(servers, "t") == [b"before", b"during"]


@pytest.mark.parametrize("end", ["stop_node", "kill_node"])
async def test_a_restarted_node_has_its_address_and_records_again(fresh_kafka: KafkaCluster, end: str) -> None:
    servers = fresh_kafka.bootstrap_servers
    await create_topic(servers, "t")
    await send(servers, "t", b"kept")

    await getattr(fresh_kafka, end)(1)
    assert fresh_kafka.pid(1) is None
    await fresh_kafka.start_node(1)

    assert fresh_kafka.bootstrap_servers == servers
    assert await values_of(servers, "t") == [b"kept"]


async def test_the_next_cluster_on_a_data_folder_has_its_records(tmp_path: Path) -> None:
    async with KafkaCluster(data_dir=tmp_path) as first:
        await create_topic(first.bootstrap_servers, "t")
        await send(first.bootstrap_servers, "t", b"kept")

    async with KafkaCluster(data_dir=tmp_path) as second:
        assert await values_of(second.bootstrap_servers, "t") == [b"kept"]


async def test_a_data_folder_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text('{"id": "AAAAAAAAAAAAAAAAAAAAAA", "nodes": 1}')

    with pytest.raises(BrokerUnavailable, match=r"holds a cluster of 1 node\(s\), not of 3"):
        await KafkaCluster(3, tmp_path).start()


async def test_a_lost_port_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        choices = [[taken.getsockname()[1], *free_ports(1)], free_ports(2)]
        monkeypatch.setattr(cluster, "free_ports", lambda count: choices.pop(0))
        async with KafkaCluster() as kafka:
            assert await listed_brokers(kafka.bootstrap_servers) == {1}

    assert choices == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("log.segment.bytes", "nonsense"),  # refused when the configuration is read
        ("log.cleaner.dedupe.buffer.size", "1"),  # refused when the node has begun to work
    ],
)
async def test_a_node_that_does_not_start_is_reported_with_the_end_of_its_log(setting: str, value: str) -> None:
    with pytest.raises(BrokerUnavailable, match="Kafka node 1") as raised:
        await KafkaCluster(properties={setting: value}).start()

    assert setting in raised.value.log
    assert setting in str(raised.value)


async def test_a_node_that_takes_too_long_is_reported() -> None:
    kafka = KafkaCluster(start_timeout=0.2)
    with pytest.raises(BrokerUnavailable, match="not ready within"):
        await kafka.start()

    assert kafka.pid(1) is None


async def test_a_closed_cluster_leaves_neither_process_nor_folder() -> None:
    async with KafkaCluster() as kafka:
        pid, folder = kafka.pid(1), kafka.log(1).parent
        assert pid is not None
        assert folder.exists()

    assert not _is_alive(pid)
    assert not folder.exists()


async def test_the_terminals_ctrl_c_does_not_reach_a_node(fresh_kafka: KafkaCluster) -> None:
    pid = fresh_kafka.pid(1)
    assert pid is not None

    assert os.getsid(pid) != os.getsid(0)


_PARENT = """
import asyncio, pathlib, sys
from pipeline.broker import KafkaCluster

async def main():
    async with KafkaCluster(data_dir=pathlib.Path(sys.argv[1])) as kafka:
        print(kafka.pid(1), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_no_node_outlives_a_killed_parent(repository: Path, tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path), cwd=repository, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert _is_alive(pid)

    parent.kill()
    await parent.wait()
    async with asyncio.timeout(30):
        while _is_alive(pid):  # noqa: ASYNC110 - nobody tells when somebody else's child ends
            await asyncio.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    # On Linux a process may have ended and only wait for somebody to ask how.
    return not status.exists() or "State:\tZ" not in status.read_text()
