"""Spans that were made: in memory by a process's own code, or sent to a collector on a socket by real processes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler

from pipeline.tracing.spans import switch


@contextmanager
def traced(sampler: Sampler = DEFAULT_ON, **settings: bool) -> Iterator[InMemorySpanExporter]:
    """Let this process trace, into memory; ``settings`` are those of the switch."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = {name: getattr(switch, name) for name in ("tracer", "follows", "send_to_norce")}
    switch.tracer = provider.get_tracer("tests")
    for name, value in settings.items():
        setattr(switch, name, value)
    try:
        yield exporter
    finally:
        for name, value in before.items():
            setattr(switch, name, value)


@dataclass(frozen=True)
class Seen:
    """A span as a collector got it. Ids are hex; a root's ``parent`` is empty."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    failed: bool


class Collector:
    """Takes OTLP over HTTP on a port of its own. While ``answer`` is not 200 it only counts who asked, by service."""

    def __init__(self) -> None:
        self.answer = 200
        self.requests = 0
        self.raw: list[bytes] = []
        self.refused: Counter[str] = Counter()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._take(self.path, body)
                self.send_response(collector.answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Seen]:
        return [seen for body in tuple(self.raw) for seen in _spans(body)]

    def of(self, trace: str) -> list[Seen]:
        return [seen for seen in self.spans if seen.trace == trace]

    def _take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        self.requests += 1
        if self.answer == 200:
            self.raw.append(body)
        else:
            self.refused.update({seen.service for seen in _spans(body)})


def _spans(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    service=service,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.span_id.hex() for link in span.links),
                    attributes=_attributes(span.attributes),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                )


def _attributes(found: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(found)
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
