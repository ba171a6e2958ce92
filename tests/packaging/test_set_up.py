"""What a fresh machine installs: all of it locked, with hashes, and from nowhere in particular."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

LOCKS = ("requirements-uv.lock", "requirements.lock", "requirements-dev.lock")


def locked(lock: Path) -> dict[str, str]:
    """Name and version of everything in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def project(repository: Path) -> Any:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_locked_has_a_hash(repository: Path, lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (repository / lock).read_text())[1:]

    assert len(entries) == len(locked(repository / lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_to_fetch_from(repository: Path, lock: str) -> None:
    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted", (repository / lock).read_text()) == []


@pytest.mark.parametrize(
    ("lock", "section", "group"),
    [
        ("requirements.lock", "project", "dependencies"),
        ("requirements-dev.lock", "project", "dependencies"),
        ("requirements-dev.lock", "dependency-groups", "dev"),
        ("requirements-uv.lock", "dependency-groups", "bootstrap"),
    ],
)
def test_a_lock_holds_what_the_project_asks_for(
    repository: Path, project: Any, lock: str, section: str, group: str
) -> None:
    """Otherwise `make lock` was forgotten."""
    versions = locked(repository / lock)
    asked = [Requirement(text) for text in project[section][group]]

    assert [str(r) for r in asked if not r.specifier.contains(versions.get(r.name.lower(), "none"))] == []


def test_tests_run_with_the_versions_that_production_has(repository: Path) -> None:
    production, tests = locked(repository / "requirements.lock"), locked(repository / "requirements-dev.lock")

    assert production.items() <= tests.items()


def test_the_installed_uv_can_build_the_project_by_itself(repository: Path, project: Any) -> None:
    (backend,) = (Requirement(text) for text in project["build-system"]["requires"])

    assert backend.specifier.contains(locked(repository / "requirements-uv.lock")["uv"])


def test_make_alone_says_what_there_is(repository: Path) -> None:
    said = subprocess.run(["make"], cwd=repository, capture_output=True, text=True, check=True).stdout

    assert set(re.findall(r"make (\w+)", said)) >= {"help", "run", "test", "lint", "lock", "clean"}


def test_a_python_that_is_too_old_is_named(repository: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    answer = subprocess.run(
        ["make", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "run"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode != 0
    assert f"Python 3.11, 3.12 or 3.13 is needed; '{old}' is Python 3.9.2" in answer.stderr


def test_continuous_integration_runs_the_tests(repository: Path) -> None:
    script = repository / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")


def test_continuous_integration_measures_and_fails_when_something_became_clearly_too_slow(repository: Path) -> None:
    script = (repository / ".ci" / "run").read_text()

    assert "set -e" in script
    assert "\nmake bench-quick\n" in script
