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
    return run(PROGRAM.format(level=level, format=format))


def run(program: str) -> str:
    """What a program logs."""
    done = subprocess.run(
        [sys.executable, "-c", program],
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


WITHIN_A_SPAN = """
import structlog
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span
from pipeline import logs
from pipeline.settings import LogSettings
logs.configure(LogSettings(level="info", format={format!r}))
with use_span(NonRecordingSpan(SpanContext(0xabc, 0xdef, False))):
    structlog.get_logger("ours").info("within", key="1:2:3")
structlog.get_logger("ours").info("outside")
"""


def test_json_lines_name_the_span_they_were_written_in_by_opentelemetrys_names() -> None:
    within, outside = (json.loads(line) for line in run(WITHIN_A_SPAN.format(format="json")).splitlines())
    assert (within["trace_id"], within["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert within["key"] == "1:2:3"
    assert not {"trace_id", "span_id"} & outside.keys()


def test_text_for_people_names_no_spans() -> None:
    output = run(WITHIN_A_SPAN.format(format="text"))
    assert "key=1:2:3" in output
    assert "trace_id" not in output
