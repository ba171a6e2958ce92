"""Making later starts fast: Java keeps the loaded classes of one start in a file and maps them in the next ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pipeline.broker.configuration import Endpoint
from pipeline.broker.distribution import Distribution, Report
from pipeline.broker.errors import BrokerUnavailable
from pipeline.broker.identity import cluster_identity
from pipeline.broker.node import Node
from pipeline.broker.ports import free_ports

_TIMEOUT = 60.0  # seconds
_HEAP_MB = 512


async def warm_up(distribution: Distribution, report: Report) -> None:
    """Write ``distribution.class_archive`` unless it is there.

    A node works without it, only slower, so a Java that cannot write one is left in peace: its archive is empty.
    """
    if distribution.class_archive.exists():
        return
    report("Preparing Apache Kafka for fast starts (once)")
    with tempfile.TemporaryDirectory(dir=distribution.home.parent, prefix=".warm-up-") as name:
        folder = Path(name)
        archive = folder / "classes.jsa"
        try:
            await _start_and_stop(distribution, folder, f"-XX:ArchiveClassesAtExit={archive}")
        except BrokerUnavailable as error:
            report(f"Starts stay slow: {error}")
        archive.touch()
        # In one step: others may be starting with it.
        os.replace(archive, distribution.class_archive)


async def _start_and_stop(distribution: Distribution, folder: Path, flag: str) -> None:
    endpoint = Endpoint(1, *free_ports(2))
    node = Node(endpoint, folder / "node", distribution, heap_mb=_HEAP_MB, flags=[flag])
    await node.prepare(cluster_identity(folder, 1), [endpoint], {})
    try:
        node.start()
        await node.wait_until_serving(frozenset(), _TIMEOUT)
    finally:
        await node.stop(_TIMEOUT)
