"""A Kafka cluster on this machine, for local runs and for tests that break it node by node."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.broker.configuration import Endpoint
from pipeline.broker.distribution import Distribution, Report, fetch_distribution
from pipeline.broker.errors import BrokerUnavailable
from pipeline.broker.identity import cluster_identity
from pipeline.broker.node import Node
from pipeline.broker.ports import free_ports
from pipeline.broker.preparation import prepare_fast_starts
from pipeline.broker.readiness import is_fully_replicated, until

_PORT_ATTEMPTS = 3
_STOP_TIMEOUT = 20.0  # seconds


class KafkaCluster:
    """Apache Kafka in KRaft mode: nodes 1 to ``nodes``, each broker and controller, on loopback only.

    Without ``data_dir`` the data lives in a temporary folder and goes with the cluster; with it, the next cluster on
    the same folder has the same data. The nodes end with the thread that started them: start them from the main one.

    Args:
        nodes: 1 or 3 make sense; a cluster of 3 keeps serving when it loses one.
        properties: server.properties that differ from the launcher's.
        heap_mb: most heap of each node, MiB.
        start_timeout: seconds until a started node must serve.
        report: gets a line when something takes its time.
    """

    kind = "apache-kafka"
    limits: str | None = None
    topic_partitions: int | None = None

    def __init__(
        self,
        nodes: int = 1,
        data_dir: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 512,
        start_timeout: float = 60.0,
        report: Report = lambda line: None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._ids = range(1, nodes + 1)
        self._data_dir = data_dir
        self._properties = dict(properties or {})
        self._heap_mb = heap_mb
        self._start_timeout = start_timeout
        self._report = report
        self._environment = environment
        self._nodes: dict[int, Node] = {}
        self._temporary: Path | None = None

    @property
    def bootstrap_servers(self) -> str:
        """All nodes as host:port, comma separated."""
        return ",".join(node.endpoint.address for node in self._nodes.values())

    @property
    def replicas(self) -> int:
        """The most replicas a topic can have here."""
        return min(3, len(self._ids))

    @property
    def serving(self) -> frozenset[int]:
        """Nodes that run and are not paused."""
        return frozenset(node.id for node in self._nodes.values() if node.serving)

    def address(self, node: int) -> str:
        """host:port of one node."""
        return self._nodes[node].endpoint.address

    def pid(self, node: int) -> int | None:
        """The process of one node, None when there is none."""
        return self._nodes[node].pid

    def log(self, node: int) -> Path:
        """The file that one node's output goes to."""
        return self._nodes[node].log

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all nodes and wait until each lists all of them.

        Raises:
            KafkaNotInstallable: Java or Maven is missing, or the jars could not be fetched.
            BrokerUnavailable: a node ended or did not get ready in time.
        """
        distribution = await fetch_distribution(self._report, self._environment)
        await prepare_fast_starts(distribution, self._report)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            try:
                await self._start_once(distribution)
            except BrokerUnavailable as error:
                await self.close()
                # The ports were free when they were chosen, so somebody took one in between.
                if "Address already in use" not in error.log or attempt == _PORT_ATTEMPTS:
                    raise
            except BaseException:
                await self.close()
                raise
            else:
                return

    async def _start_once(self, distribution: Distribution) -> None:
        folder = self._folder()
        identity = cluster_identity(folder, len(self._ids))
        ports = free_ports(2 * len(self._ids))
        endpoints = [Endpoint(n, ports[2 * i], ports[2 * i + 1]) for i, n in enumerate(self._ids)]
        self._nodes = {
            e.node_id: Node(e, folder / f"node-{e.node_id}", distribution, heap_mb=self._heap_mb) for e in endpoints
        }
        await asyncio.gather(*(n.prepare(identity, endpoints, self._properties) for n in self._nodes.values()))
        await self._start(*self._ids)

    async def start_node(self, node: int) -> None:
        """Start a stopped or killed node, on its ports and data, and wait until it serves.

        Raises:
            BrokerUnavailable: it ended or did not get ready in time.
        """
        await self._start(node)

    async def stop_node(self, node: int) -> None:
        """SIGTERM one node; it hands over its partitions."""
        await self._nodes[node].stop(_STOP_TIMEOUT)

    async def kill_node(self, node: int) -> None:
        """SIGKILL one node."""
        await self._nodes[node].kill()

    def pause_node(self, node: int) -> None:
        """SIGSTOP one node: its connections stay open and nothing is answered."""
        self._nodes[node].pause()

    def resume_node(self, node: int) -> None:
        """SIGCONT one node."""
        self._nodes[node].resume()

    async def repair(self) -> None:
        """Bring every node back and wait until all replicas are in sync.

        Raises:
            BrokerUnavailable: that did not come about in time.
        """
        for node in self._nodes.values():
            if node.pid is not None and not node.serving:
                node.resume()
        await self._start(*self._ids)
        if not await until(lambda: is_fully_replicated(self.bootstrap_servers), self._start_timeout):
            raise BrokerUnavailable("the replicas did not get in sync again")

    async def close(self) -> None:
        """End all nodes: cleanly when their data stays, at once when it goes. Closing twice is harmless."""
        nodes = self._nodes.values()
        if self._temporary is None:
            await asyncio.gather(*(node.stop(_STOP_TIMEOUT) for node in nodes))
        else:
            await asyncio.gather(*(node.kill() for node in nodes))
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    async def _start(self, *ids: int) -> None:
        for node in ids:
            self._nodes[node].start()
        serving = self.serving
        await asyncio.gather(*(self._nodes[n].wait_until_serving(serving, self._start_timeout) for n in ids))

    def _folder(self) -> Path:
        if self._data_dir is not None:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            return self._data_dir
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="norce-kafka-"))
        return self._temporary
