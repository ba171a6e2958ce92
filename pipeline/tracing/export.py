"""Sending spans to a collector, from a thread of its own and never in anybody's way.

Ended spans wait in a bounded queue (``OTEL_BSP_MAX_QUEUE_SIZE``, 2048); while the collector is away the oldest are
dropped. Nothing that is promised of events depends on it.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Tracer
from opentelemetry.util.re import parse_env_headers

from pipeline.settings import TracingSettings

log = structlog.get_logger(__name__)

SCOPE = "norce-pipeline"

_REPEATING = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""Loggers that say the same at every attempt while a collector is away; ``PatientExporter`` says it once."""


def make_tracer(settings: TracingSettings, service: str) -> Tracer:
    """A tracer whose spans go to the configured collector until the process ends."""
    for name in _REPEATING:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    exporter = PatientExporter(OTLPSpanExporter(_endpoint(settings), headers=_headers(settings)))
    resource = _resource(settings.service_name, service)
    provider = TracerProvider(sampler=_sampler(settings), resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def end() -> None:
        exporter.hurry()
        provider.shutdown()

    atexit.register(end)
    return provider.get_tracer(SCOPE, _version())


class PatientExporter(SpanExporter):
    """Says once that the collector does not take spans, and once that it does again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._away = False
        self._hurried = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        taken = result is SpanExportResult.SUCCESS
        if taken == self._away:
            self._away = not taken
            if taken:
                log.info("the collector takes traces again")
            else:
                log.warning("the collector does not take traces, they are dropped; nothing else depends on it")
        if not taken and self._hurried:
            self._inner.shutdown()
        return result

    def hurry(self) -> None:
        """The process ends: spend no time on a collector that is away, and one request's time on finding out."""
        self._hurried = True
        if self._away:
            self._inner.shutdown()

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


# What may lie in a file of secrets is handed over: the exporter reads the environment alone.


def _endpoint(settings: TracingSettings) -> str | None:
    """The whole address; the exporter's default, on this machine, if none is set."""
    if settings.traces_endpoint is not None or settings.endpoint is None:
        return settings.traces_endpoint
    return f"{settings.endpoint}/v1/traces"


def _headers(settings: TracingSettings) -> Mapping[str, str]:
    return {} if settings.headers is None else parse_env_headers(settings.headers.get_secret_value(), liberal=True)


def _sampler(settings: TracingSettings) -> Sampler:
    kind = settings.sampler.removeprefix("parentbased_")
    roots: Mapping[str, Sampler] = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(settings.sampler_arg),
    }
    return roots[kind] if kind == settings.sampler else ParentBased(roots[kind])


def _resource(named: str | None, service: str) -> Resource:
    """What the environment says of the process, or else what is known of it."""
    known = {"service.name": service, "service.namespace": SCOPE, "service.version": _version()}
    given = dict(OTELResourceDetector().detect().attributes)
    return Resource.create({**known, **given, **({"service.name": named} if named else {})})


def _version() -> str:
    try:
        return version(SCOPE)
    except PackageNotFoundError:  # run from its sources
        return ""
