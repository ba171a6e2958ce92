"""One Kafka node: formatting its storage, starting and ending its process, waiting until it serves."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.broker.configuration import Endpoint, java_command, node_properties, write_properties
from pipeline.broker.distribution import Distribution, resource
from pipeline.broker.errors import BrokerUnavailable
from pipeline.broker.process import Process
from pipeline.broker.readiness import listed_brokers, until

_FORMAT_HEAP_MB = 128


class Node:
    """A node with a folder of its own; it comes back on the same ports with the same data."""

    def __init__(
        self,
        endpoint: Endpoint,
        folder: Path,
        distribution: Distribution,
        *,
        heap_mb: int,
        flags: Sequence[str] = (),
    ) -> None:
        self.endpoint = endpoint
        self.log = folder / "node.log"
        self._folder = folder
        self.data = folder / "data"
        self._properties = folder / "server.properties"
        self._distribution = distribution
        self._heap_mb = heap_mb
        self._flags = flags
        self._process: Process | None = None
        self._paused = False

    @property
    def id(self) -> int:
        return self.endpoint.node_id

    @property
    def pid(self) -> int | None:
        """The process, also while it is paused; None when there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def serving(self) -> bool:
        """Whether the process runs and is not paused."""
        return self.pid is not None and not self._paused

    async def prepare(self, cluster_id: str, endpoints: Sequence[Endpoint], overrides: Mapping[str, str]) -> None:
        """Write the configuration, and format the storage unless it holds data already.

        Raises:
            BrokerUnavailable: Kafka refuses the configuration.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.properties").write_text(resource("log4j2.properties"), encoding="utf-8")
        write_properties(self._properties, node_properties(self.id, endpoints, self.data, overrides))
        if not (self.data / "meta.properties").exists():
            await self._format(cluster_id)

    async def _format(self, cluster_id: str) -> None:
        if self._distribution.first_metadata.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._distribution.first_metadata, self.data)
            # Last: with it the storage counts as formatted. The directory's own id is added by the node.
            properties = {"version": "1", "cluster.id": cluster_id, "node.id": str(self.id)}
            write_properties(self.data / "meta.properties", properties)
            return
        command = self._java(
            "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", self._properties, heap_mb=_FORMAT_HEAP_MB
        )
        process = Process(command, self._folder / "format.log")
        try:
            code = await process.wait()
        finally:
            await process.kill()
        if code != 0:
            raise BrokerUnavailable(f"the storage of Kafka node {self.id} could not be formatted", process.log_tail())

    def start(self) -> None:
        """Start the process; ``wait_until_serving`` says when it can be used. Nothing when it runs already."""
        if self.pid is None:
            self._paused = False
            command = self._java(
                "kafka.Kafka", self._properties, heap_mb=self._heap_mb, flags=[*self._log_flags(), *self._flags]
            )
            self._process = Process(command, self.log)

    async def wait_until_serving(self, others: frozenset[int], patience: float) -> None:
        """Wait until this node answers and lists itself and ``others``.

        Raises:
            BrokerUnavailable: it ended, or took more than ``patience`` seconds.
        """
        expected = others | {self.id}
        listed: frozenset[int] = frozenset()

        async def serves() -> bool:
            nonlocal listed
            listed = await listed_brokers(self.endpoint.address)
            if not expected <= listed:
                self._raise_if_ended()
            return expected <= listed

        if not await until(serves, patience):
            raise BrokerUnavailable(
                f"Kafka node {self.id} at {self.endpoint.address} was not ready within {patience:.0f} s: "
                f"it lists brokers {sorted(listed)}, expected are {sorted(expected)}",
                self._log_tail(),
            )

    async def stop(self, grace: float) -> bool:
        """SIGTERM: the node hands over what it leads first. SIGKILL after ``grace`` seconds.

        Returns:
            Whether it ended in time.
        """
        ended = self._process is None or await self._process.terminate(grace)
        self._paused = False
        return ended

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            await self._process.kill()
            self._paused = False

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self._send(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)
        self._paused = False

    def _send(self, number: signal.Signals) -> None:
        if self._process is None or self.pid is None:
            raise BrokerUnavailable(f"Kafka node {self.id} does not run", self._log_tail())
        self._process.send(number)

    def _raise_if_ended(self) -> None:
        if self._process is None or (code := self._process.returncode) is not None:
            ending = "was not started" if self._process is None else f"ended with {code} while it was awaited"
            raise BrokerUnavailable(f"Kafka node {self.id} {ending}", self._log_tail())

    def _log_tail(self) -> str:
        return self._process.log_tail() if self._process is not None else ""

    def _log_flags(self) -> list[str]:
        return [f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"]

    def _java(self, main: str, *arguments: str | Path, heap_mb: int, flags: Sequence[str] = ()) -> list[str | Path]:
        archive = self._distribution.class_archive
        if archive.exists():
            flags = [*flags, f"-XX:SharedArchiveFile={archive}"]
        return java_command(self._distribution, main, *arguments, heap_mb=heap_mb, flags=flags)
