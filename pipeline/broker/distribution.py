"""Apache Kafka as jars: fetched once with Maven, checked against known checksums, kept in the user's cache."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from pipeline.broker.errors import FetchFailed, MavenMissing
from pipeline.broker.java import Java, find_java
from pipeline.broker.process import Process

VERSION = "4.1.1"

Report = Callable[[str], None]

_FETCH_TIMEOUT = 600.0  # seconds
_RESOURCES = files("pipeline.broker") / "kafka"


@dataclass(frozen=True)
class Distribution:
    """Kafka's jars and the Java they run on."""

    java: Java
    home: Path

    @property
    def class_path(self) -> str:
        return f"{self.home / 'libs'}/*"

    @property
    def prepared(self) -> Path:
        """The folder of what makes starts fast with this very Java, there or not; see ``preparation``."""
        return self.home / f"prepared-{re.sub(r'[^A-Za-z0-9.]+', '-', self.java.build)}"

    @property
    def class_archive(self) -> Path:
        """The classes of a started node, ready to be mapped; not there if this Java cannot write them."""
        return self.prepared / "classes.jsa"

    @property
    def first_metadata(self) -> Path:
        """What the metadata of a new cluster begins with: ``bootstrap.checkpoint``, as Kafka's own tool wrote it."""
        return self.prepared / "bootstrap.checkpoint"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the jars, there or not: in ``XDG_CACHE_HOME``, which is ``~/.cache`` unless set."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "norce-pipeline" / f"kafka-{VERSION}"


def find_distribution(environment: Mapping[str, str] = os.environ) -> Distribution:
    """What ``fetch_distribution`` would use, without fetching anything.

    Raises:
        JavaMissing, JavaTooOld: see ``find_java``.
        MavenMissing: the jars are not there yet and could not be fetched.
    """
    distribution = Distribution(find_java(environment), cache_folder(environment))
    if not distribution.home.is_dir():
        _maven(environment)
    return distribution


async def fetch_distribution(
    report: Report = lambda line: None, environment: Mapping[str, str] = os.environ
) -> Distribution:
    """The jars of Apache Kafka, from the cache or fetched into it.

    Several processes may ask at once: one fetches, the others wait. The folder appears only when it is complete and
    checked.

    Raises:
        KafkaNotInstallable: Java or Maven is missing, or the fetch failed.
    """
    distribution = find_distribution(environment)
    if distribution.home.is_dir():
        return distribution
    distribution.home.parent.mkdir(parents=True, exist_ok=True)
    # Maven's own repository is not made for several of them at once either.
    async with alone(distribution.home.with_name(f"{distribution.home.name}.lock")):
        if not distribution.home.is_dir():
            report(f"Fetching Apache Kafka {VERSION} with Maven into {distribution.home} (once, about 45 MB)")
            await _fetch_into(distribution.home, _maven(environment))
    return distribution


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[None]:
    """Hold a lock file; whoever dies lets go of it."""
    with path.open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


async def _fetch_into(home: Path, maven: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as folder:
        complete = Path(folder) / "complete"
        libs = complete / "libs"
        libs.mkdir(parents=True)
        await _fetch(maven, libs, Path(folder) / "maven.log")
        await asyncio.to_thread(_verify, libs)
        complete.rename(home)


def resource(name: str) -> str:
    """The text of a file that is shipped with the launcher."""
    return (_RESOURCES / name).read_text(encoding="utf-8")


def _maven(environment: Mapping[str, str]) -> Path:
    found = shutil.which("mvn", path=environment.get("PATH", ""))
    if found is None:
        raise MavenMissing(f"Apache Kafka {VERSION} is not in the cache and there is no mvn on the PATH to fetch it")
    return Path(found)


async def _fetch(maven: Path, libs: Path, log: Path) -> None:
    with as_file(_RESOURCES / "pom.xml") as pom:
        process = Process(
            [
                maven,
                "--batch-mode",
                "--quiet",
                "--strict-checksums",
                f"--file={pom}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={libs}",
            ],
            log,
        )
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT):
                code = await process.wait()
        except TimeoutError:
            raise FetchFailed(f"Maven did not end within {_FETCH_TIMEOUT:.0f} s:\n{process.log_tail()}") from None
        finally:
            await process.kill()
    if code != 0:
        raise FetchFailed(f"Maven ended with {code}:\n{process.log_tail()}")


def _verify(libs: Path) -> None:
    expected = {name: digest for digest, name in map(str.split, resource("jars.sha256").splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in libs.iterdir()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise FetchFailed(f"missing, unexpected or altered: {', '.join(wrong)}")
