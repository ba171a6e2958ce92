"""The Dockerfile: its form, and its build steps run in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser

from pipeline.settings import WebhookSettings

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def stages(repository: Path) -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    parser = DockerfileParser(path=str(repository / "Dockerfile"), cache_content=True)
    found: list[list[Instruction]] = []
    for item in parser.structure:
        if item["instruction"] == "FROM":
            found.append([])
        if item["instruction"] != "COMMENT":
            found[-1].append((item["instruction"], item["value"]))
    return found


def values(stage: list[Instruction], instruction: str) -> list[str]:
    return [value for name, value in stage if name == instruction]


def test_hadolint_has_nothing_to_say(repository: Path) -> None:
    subprocess.run([Path(sys.executable).with_name("hadolint"), repository / "Dockerfile"], check=True)


def test_every_stage_starts_from_the_same_exact_version(stages: list[list[Instruction]]) -> None:
    bases = {value.split(" AS ")[0] for stage in stages for value in values(stage, "FROM")}

    assert len(stages) == 2
    (base,) = bases
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-[a-z]+", base)


def test_the_image_runs_as_a_numbered_user_that_is_not_root(stages: list[list[Instruction]]) -> None:
    (user,) = values(stages[-1], "USER")

    assert all(int(number) > 0 for number in user.split(":"))


def test_the_image_takes_only_the_installed_program_from_the_build(stages: list[list[Instruction]]) -> None:
    assert values(stages[-1], "COPY") == ["--from=build /app /app"]
    assert not re.search(r"\b(apt|apt-get|pip|uv|gcc)\b", " ".join(values(stages[-1], "RUN")))


def test_nothing_that_is_installed_is_compiled(stages: list[list[Instruction]]) -> None:
    """The build test below would compile: this machine may have what the slim image lacks."""
    (locked,) = [command for command in values(stages[0], "RUN") if "-r requirements.lock" in command]

    assert " --no-build " in locked
    assert not re.search(r"\b(apt|apt-get|gcc)\b", " ".join(values(stages[0], "RUN")))


def test_the_one_entry_point_is_the_program(stages: list[list[Instruction]]) -> None:
    assert json.loads(values(stages[-1], "ENTRYPOINT")[0]) == ["norce-pipeline"]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_fails_when_the_process_is_not_well_or_does_not_answer(
    stages: list[list[Instruction]], status: int | None, code: int
) -> None:
    (check,) = values(stages[-1], "HEALTHCHECK")
    program, *arguments = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    with answering(status) as url:
        done = subprocess.run(
            [sys.executable, *arguments], env={"HEALTH_URL": url}, capture_output=True, check=False, timeout=60
        )

    assert done.returncode == code


@contextmanager
def answering(status: int | None) -> Iterator[str]:
    """A process's port that answers everything with a status, or is closed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert status is not None
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/livez"
        if status is None:
            server.server_close()
        else:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        if status is not None:
            server.shutdown()


def test_unless_it_is_said_otherwise_the_connector_is_asked_for_its_health(stages: list[list[Instruction]]) -> None:
    (settings,) = values(stages[-1], "ENV")

    assert f"HEALTH_URL=http://127.0.0.1:{WebhookSettings.model_fields['port'].default}/livez" in settings


def test_the_image_says_what_it_is(stages: list[list[Instruction]], repository: Path) -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', " ".join(values(stages[-1], "LABEL"))))
    version = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["version"]

    assert {"title", "description", "version", "revision", "base.name"} <= set(labels)
    assert f"VERSION={version}" in values(stages[-1], "ARG")
    assert labels["base.name"].endswith(values(stages[-1], "FROM")[0])


def test_the_bill_of_materials_is_what_is_locked(repository: Path, tmp_path: Path) -> None:
    """As "make sbom" writes it."""
    written = tmp_path / "sbom.json"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    what = ["requirements", "--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible"]
    _run([tool, *what, "--output-file", written, "requirements.lock"], cwd=repository)
    found = json.loads(written.read_text())

    locked = re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (repository / "requirements.lock").read_text(), re.MULTILINE)
    assert {(part["name"], part["version"]) for part in found["components"]} == set(locked)
    assert found["metadata"]["component"]["name"] == "norce-pipeline"


def test_everything_copied_is_there_and_not_ignored(stages: list[list[Instruction]], repository: Path) -> None:
    taken = (repository / ".dockerignore").read_text().splitlines()
    for source in _sources(stages[0]):
        assert (repository / source).exists()
        assert f"!{source}" in taken


def test_the_build_steps_install_a_program_that_runs(
    stages: list[list[Instruction]], repository: Path, tmp_path: Path
) -> None:
    """Copies and commands of the build stage in their order, on this machine's Python instead of the image's."""
    base, build, app = tmp_path / "base", tmp_path / "build", tmp_path / "app"
    build.mkdir()
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON", "UV_", "VIRTUAL_ENV"))}
    environment = {**clean, "PATH": f"{base / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(app)}

    for instruction, value in stages[0]:
        if instruction == "COPY":
            _copy(repository, build, value)
        elif instruction == "RUN":
            command = value.replace("--no-cache ", "")  # of uv: downloads of earlier runs are good enough here
            if "-r requirements.lock" in command:
                command = command.replace("--compile-bytecode ", "")  # all of it; the program's own is compiled below
            _run(["sh", "-c", command], cwd=build, env=environment)

    shutil.rmtree(build)
    _run([app / "bin" / "norce-pipeline", "topics", "create", "--help"], cwd=tmp_path, env=clean)
    packaged = "from connectors.simulator.contract import *; from pipeline.broker.distribution import *; "
    _run([app / "bin" / "python", "-c", packaged + "resource('jars.sha256')"], cwd=tmp_path, env=clean)


def _sources(stage: list[Instruction]) -> list[str]:
    return [source for value in values(stage, "COPY") for source in value.split()[:-1]]


def _copy(repository: Path, build: Path, value: str) -> None:
    *sources, target = value.split()
    for source in sources:
        if source.endswith("/"):
            shutil.copytree(repository / source, build / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(repository / source, build / target)


def _run(command: list[Any], **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
