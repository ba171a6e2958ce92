"""Finding a Java that runs Kafka."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.errors import JavaMissing, JavaTooOld

OLDEST = 17  # Kafka 4 brokers need it
_PROBE_TIMEOUT = 30.0


@dataclass(frozen=True)
class Java:
    """A Java virtual machine: the program, its major version and its exact build."""

    program: Path
    major: int
    build: str


def find_java(environment: Mapping[str, str] = os.environ) -> Java:
    """The Java in ``JAVA_HOME``, otherwise the first on the ``PATH``.

    Raises:
        JavaMissing: there is none, or what is called java does not run.
        JavaTooOld: it is older than ``OLDEST``.
    """
    program = _program(environment)
    properties = _properties(program)
    major = _major(properties.get("java.specification.version", ""))
    if major is None:
        raise JavaMissing(f"{program} does not say which Java it is")
    if major < OLDEST:
        raise JavaTooOld(f"Apache Kafka needs Java {OLDEST} or newer, {program} is Java {major}")
    return Java(program, major, properties.get("java.vm.version", str(major)))


def _program(environment: Mapping[str, str]) -> Path:
    home = environment.get("JAVA_HOME")
    if home and (inside := shutil.which("java", path=os.path.join(home, "bin"))):
        return Path(inside)
    found = shutil.which("java", path=environment.get("PATH", ""))
    if found is None:
        raise JavaMissing("no Java in JAVA_HOME or on the PATH")
    return Path(found)


def _properties(program: Path) -> dict[str, str]:
    try:
        answer = subprocess.run(  # noqa: S603 - the program was looked up, its arguments are constant
            [program, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        # macOS has a /usr/bin/java that only says where to get one.
        raise JavaMissing(f"{program} does not run: {error}") from error
    pairs = (line.partition(" = ") for line in answer.stderr.splitlines())
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def _major(version: str) -> int | None:
    number = version.removeprefix("1.").partition(".")[0]
    return int(number) if number.isdigit() else None
