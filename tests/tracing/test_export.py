"""Switching on, and sending spans without being in anybody's way."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_OFF
from opentelemetry.trace import SpanKind
from structlog.testing import capture_logs

from pipeline import tracing
from pipeline.settings import SettingsError, TracingSettings, load
from pipeline.tracing.export import PatientExporter
from tests.support.processes import ROOT
from tests.support.traces import Collector, traced

PROGRAM = """
import sys
from opentelemetry.trace import SpanKind
from pipeline import logs, tracing
from pipeline.settings import LogSettings, TracingSettings, load
log, settings = load(LogSettings, TracingSettings)
logs.configure(log)
tracing.configure(settings, "norce-test")
with tracing.span("work", SpanKind.INTERNAL) as span:
    print(span.get_span_context().is_valid, "opentelemetry.sdk" in sys.modules)
"""


def program(**environment: str) -> subprocess.CompletedProcess[str]:
    """Make one span in a process of its own, and end."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(ROOT), "NORCE_LOG_FORMAT": "json", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_traces_are_on_where_a_collector_is_named(
    environment: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert TracingSettings().on is on


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", "10"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load(TracingSettings)
    assert [name for name, _ in raised.value.problems] == [variable]


def test_while_tracing_is_off_no_span_is_made_and_the_sdk_is_not_even_loaded() -> None:
    with Collector() as collector:
        done = program(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SDK_DISABLED="true")
    assert done.stdout.split() == ["False", "False"]
    assert collector.requests == 0
    headers = [("ce_id", b"1")]
    with tracing.span("work", SpanKind.INTERNAL) as span:
        assert tracing.with_context(headers, span) is headers
        assert tracing.to_norce(span) == {}
        assert tracing.span("another", SpanKind.INTERNAL) is tracing.NO_SPAN


def test_spans_that_wait_are_sent_when_the_process_ends_with_the_name_and_headers_of_the_settings() -> None:
    with Collector() as collector:
        done = program(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/", OTEL_BSP_SCHEDULE_DELAY="60000")
        program(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url + "/v1/traces", OTEL_SERVICE_NAME="mine")
        program(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_RESOURCE_ATTRIBUTES="service.name=theirs")
    assert done.stdout.split() == ["True", "True"]
    assert [(seen.service, seen.name) for seen in collector.spans] == [
        ("norce-test", "work"),
        ("mine", "work"),
        ("theirs", "work"),
    ]


@pytest.mark.parametrize(("share", "kept"), [("0", 0), ("1", 1)])
def test_the_configured_sampler_decides(share: str, kept: int) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    with Collector() as collector:
        program(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **sampler)
    assert len(collector.spans) == kept


@pytest.mark.parametrize("answer", [503, 400])
def test_a_process_ends_although_its_collector_does_not_take_spans_and_says_so_once(answer: int) -> None:
    with Collector() as collector:
        collector.answer = answer
        done = program(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_TIMEOUT="2")
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["warning"]


class Stuck(SpanExporter):
    """A collector that takes requests and answers none until it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.go.wait(60)
        self.exported += len(spans)
        return SpanExportResult.SUCCESS


def test_a_collector_that_hangs_holds_up_nobody_and_costs_a_bounded_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1000")
    monkeypatch.setattr(logging.getLogger("opentelemetry.sdk._shared_internal"), "disabled", True)
    stuck = Stuck()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(PatientExporter(stuck), max_export_batch_size=500))
    tracer = provider.get_tracer("tests")
    for _ in range(500):
        tracer.start_span("first").end()
    assert stuck.asked.wait(30)
    for _ in range(5000):
        tracer.start_span("more").end()
    assert stuck.exported == 0
    stuck.go.set()
    provider.shutdown()
    assert 1000 <= stuck.exported <= 1500


def test_a_collector_that_is_away_and_back_is_named_once_each() -> None:
    answers = [False, False, True, True, False]

    class Flaky(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS if answers.pop(0) else SpanExportResult.FAILURE

    with capture_logs() as said:
        exporter = PatientExporter(Flaky())
        for _ in range(5):
            exporter.export(())
    assert [line["log_level"] for line in said] == ["warning", "info", "warning"]


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, DEFAULT_OFF])
def test_what_is_not_kept_says_so_to_those_who_come_after(sampler: Any) -> None:
    with traced(sampler) as spans, tracing.span("work", SpanKind.INTERNAL) as span:
        ((name, value),) = tracing.with_context([], span)
        assert tracing.left_out([(name, value)])
    assert not value[-1] & 1
    assert spans.get_finished_spans() == ()
