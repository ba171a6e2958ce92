"""kcat for the recipe's test: the machine's own, or Debian's package unpacked beside the tests, which needs no root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FOLDER = ROOT / ".cache" / "kcat"
PACKAGES = ("kcat", "librdkafka1", "libyajl2")
"""kcat and the libraries that Debian and Ubuntu have for nothing else; the others come with every Python."""


def kcat_environment() -> Mapping[str, str]:
    """The variables with which ``kcat`` is found. Without one the test fails in CI, and is skipped elsewhere."""
    if shutil.which("kcat"):
        return {}
    binary = FOLDER / "usr" / "bin" / "kcat"
    try:
        if not binary.exists():
            _unpack(FOLDER)
        libraries = sorted({str(path.parent) for path in FOLDER.rglob("lib*.so.*")})
        found = {
            "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}",
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        }
        subprocess.run(["kcat", "-V"], env={**os.environ, **found}, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"NO KCAT: neither installed nor to be had from Debian's packages ({error}); its recipe is unchecked"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def _unpack(folder: Path) -> None:
    """Fetch the packages as this user, with package lists of its own, and unpack them."""
    shutil.rmtree(folder, ignore_errors=True)
    archives = folder / "archives"
    for needed in (folder / "lists" / "partial", folder / "cache" / "archives" / "partial", archives):
        needed.mkdir(parents=True)
    places = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "",
    }
    options = [word for name, value in places.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", *options, "-qq", "update", cwd=archives)
    _run("apt-get", *options, "-qq", "download", *PACKAGES, cwd=archives)
    for package in archives.glob("*.deb"):
        _run("dpkg-deb", "-x", package, folder, cwd=archives)


def _run(*words: str | Path, cwd: Path) -> None:
    subprocess.run(words, cwd=cwd, check=True, capture_output=True, timeout=120)
