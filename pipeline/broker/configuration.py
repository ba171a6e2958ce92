"""What a local node is told: its properties and its command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.distribution import Distribution

HOST = "127.0.0.1"

# Starting fast matters more here than running fast for hours.
_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Djava.awt.headless=true")


@dataclass(frozen=True)
class Endpoint:
    """Where one node listens: for clients, and for the other nodes' metadata quorum."""

    node_id: int
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


def node_properties(
    node_id: int, endpoints: Sequence[Endpoint], data: Path, overrides: Mapping[str, str]
) -> dict[str, str]:
    """The server.properties of one node, broker and controller in one."""
    own = next(endpoint for endpoint in endpoints if endpoint.node_id == node_id)
    voters = ",".join(f"{e.node_id}@{HOST}:{e.controller_port}" for e in endpoints)
    replicas = str(min(3, len(endpoints)))
    in_sync = "2" if len(endpoints) >= 3 else "1"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{own.address},CONTROLLER://{HOST}:{own.controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        # A topic that nobody declared is a mistake to see, not to paper over.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # Small: several nodes share this machine with all the rest.
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
        # Of several, a killed node is replaced within the three seconds that a webhook waits. One alone has nobody to
        # take its place: to lose its session on a busy machine would only make it refuse everybody for a moment.
        "broker.heartbeat.interval.ms": "150",
        "broker.session.timeout.ms": "900" if len(endpoints) > 1 else "3000",
        "controller.quorum.election.timeout.ms": "300",
        "controller.quorum.fetch.timeout.ms": "600",
        **overrides,
    }


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")


def java_command(
    distribution: Distribution, main: str, *arguments: str | Path, heap_mb: int, flags: Sequence[str] = ()
) -> list[str | Path]:
    """The command that runs one of Kafka's programs; ``main`` is its class, ``flags`` are Java's."""
    java = distribution.java.program
    return [java, f"-Xmx{heap_mb}m", *_JVM, *flags, "-cp", distribution.class_path, main, *arguments]
