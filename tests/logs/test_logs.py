"""Logs carry what an operator needs and nothing that was in a body."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

PROGRAM = """
import logging, structlog
from pipeline import logs
from pipeline.settings import LogSettings
logs.configure(LogSettings(level={level!r}, format={format!r}))
structlog.get_logger("ours").info("started", port=8080)
logging.getLogger("aiokafka.producer.producer").debug("Sending %s", b"planted body")
logging.getLogger("aiokafka").warning("broker gone")
def join(body):
    raise ValueError("cannot join")
try:
    join("planted body")
except ValueError:
    structlog.get_logger("ours").exception("failed")
"""


def logged(level: str, format: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level, format=format)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("format", ["text", "json"])
def test_no_level_and_no_traceback_shows_what_was_in_a_body(level: str, format: str) -> None:
    output = logged(level, format)
    assert "cannot join" in output
    assert "broker gone" in output
    assert "planted body" not in output


def test_json_logs_are_one_object_a_line_with_time_level_and_logger() -> None:
    lines = [json.loads(line) for line in logged("info", "json").splitlines()]
    assert [line["event"] for line in lines] == ["started", "broker gone", "failed"]
    assert lines[0] | {"timestamp": ""} == {
        "event": "started",
        "port": 8080,
        "level": "info",
        "logger": "ours",
        "timestamp": "",
    }
    assert lines[2]["exception"][0]["exc_value"] == "cannot join"


def test_warnings_of_libraries_are_shown_in_the_same_form() -> None:
    assert "broker gone" in logged("warning", "text")
    assert "started" not in logged("warning", "text")
