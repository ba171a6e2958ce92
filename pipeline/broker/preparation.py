"""Making later starts fast: what one start had to work out is kept for the next ones.

Java keeps the loaded classes in a file and maps them, which halves a start. A storage is formatted by a program of
Kafka's, another start of Java; what it writes is the same for every node but for the names of cluster and node.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pipeline.broker.configuration import Endpoint
from pipeline.broker.distribution import Distribution, Report, alone
from pipeline.broker.errors import BrokerUnavailable
from pipeline.broker.identity import cluster_identity
from pipeline.broker.node import Node
from pipeline.broker.ports import free_ports

_PATIENCE = 120.0  # seconds
_HEAP_MB = 512


async def prepare_fast_starts(distribution: Distribution, report: Report, patience: float = _PATIENCE) -> None:
    """Write ``distribution.prepared`` unless it is there. Several processes may ask at once: one does it.

    A node works without it, only slower: ``report`` is told when it took more than ``patience`` seconds to start or to
    stop, or ended by itself, and the next start tries again. A Java that ends well and wrote no classes cannot do it,
    and is not asked again.
    """
    if distribution.prepared.exists():
        return
    async with alone(distribution.prepared.with_name(f"{distribution.prepared.name}.lock")):
        if distribution.prepared.exists():
            return
        report("Preparing Apache Kafka for fast starts (once)")
        with tempfile.TemporaryDirectory(dir=distribution.home, prefix=".preparing-") as folder:
            try:
                complete = await _start_and_stop(distribution, Path(folder), patience)
            except BrokerUnavailable as error:
                report(f"Starts stay slow: {error}")
            else:
                complete.rename(distribution.prepared)


async def _start_and_stop(distribution: Distribution, folder: Path, patience: float) -> Path:
    complete = folder / "complete"
    complete.mkdir()
    archive = complete / distribution.class_archive.name
    endpoint = Endpoint(1, *free_ports(2))
    flags = [f"-XX:ArchiveClassesAtExit={archive}"]
    node = Node(endpoint, folder / "node", distribution, heap_mb=_HEAP_MB, flags=flags)
    await node.prepare(cluster_identity(folder, 1), [endpoint], {})
    shutil.copy(node.data / distribution.first_metadata.name, complete)
    try:
        node.start()
        await node.wait_until_serving(frozenset(), patience)
        if not await node.stop(patience):
            raise BrokerUnavailable(f"Java did not write its classes within {patience:.0f} s")
    finally:
        await node.kill()
    return complete
