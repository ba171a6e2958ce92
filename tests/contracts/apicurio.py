"""A real schema registry for tests: Apicurio Registry, which has Confluent's interface, fetched once with Maven."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from pipeline.broker.distribution import cache_folder
from pipeline.broker.java import find_java
from pipeline.broker.ports import free_ports
from pipeline.broker.process import Process
from tests.support.kafka import until

VERSION = "2.6.13.Final"
SHA256 = "3cda1b34aa020fb4ac4dd6a66018d757e81e437f97e20a1f92d366b70091c6ba"
ARCHIVE = f"apicurio-registry-app-{VERSION}-all.tar.gz"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def fetch() -> Path:
    """The folder of the registry, 142 MB the first time. It appears only when it is complete and checked."""
    home = cache_folder().parent / f"apicurio-{VERSION}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of another process may want it at the same time
        if not home.is_dir():
            _fetch_into(home)
    return home


def _fetch_into(home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as folder:
        artifact = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
        maven = ["mvn", "--batch-mode", "--quiet", COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
        subprocess.run(maven, check=True, timeout=600)
        archive = Path(folder) / ARCHIVE
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
        with tarfile.open(archive) as content:
            content.extractall(Path(folder) / "complete", filter="data")
        (Path(folder) / "complete").rename(home)


@asynccontextmanager
async def registry(folder: Path) -> AsyncIterator[str]:
    """An empty registry in memory; gives the address of its Confluent interface."""
    home = await asyncio.to_thread(fetch)
    (port,) = free_ports(1)
    process = Process(
        [find_java().program, "-Xmx384m", "-jar", home / f"apicurio-registry-app-{VERSION}-runner.jar"],
        folder / "registry.log",
        environment={**os.environ, "QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(port)},
    )
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    async def answers() -> bool:
        assert process.returncode is None, process.log_tail()
        try:
            return (await client.get(f"{url}/subjects")).is_success
        except httpx.TransportError:
            return False

    try:
        async with httpx.AsyncClient(timeout=5.0) as client:
            await until(answers, bool, tries=900)
        yield url
    finally:
        await process.kill()
