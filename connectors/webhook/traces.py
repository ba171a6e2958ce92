"""The spans of one delivery: its request, by OpenTelemetry's conventions for HTTP servers, and its record."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind

from connectors.webhook.answers import Answer
from connectors.webhook.event_types import Requested
from connectors.webhook.records import Record
from connectors.webhook.rsgi import Request, headers_of
from pipeline import tracing
from pipeline.tracing import messages

ROUTE = "/webhooks/norce/{event_type}"

FAILED_FROM = 500
"""Status from which a server's span counts as failed (OpenTelemetry's conventions)."""


def request_span(request: Request) -> AbstractContextManager[Span]:
    """Around an authenticated request; it goes on with the trace that the sender began, if there is one.

    Requests that are turned away before have none: whoever sends them could fill the traces, or choose what is kept.
    """
    if not tracing.is_on():
        return tracing.NO_SPAN
    return tracing.span(f"POST {ROUTE}", SpanKind.SERVER, tracing.parent_in(headers_of(request)))


def note_request(span: Span, request: Request, asked: Requested, answer: Answer) -> None:
    """Say what was asked and answered. The path only where the catalogue has the type: else it is anybody's text."""
    if not span.is_recording():
        return
    found = {"http.request.method": request.method, "http.route": ROUTE, "url.scheme": request.scheme}
    if asked.found is not None:
        found["url.path"] = ROUTE.format(event_type=asked.found.name)
    span.set_attributes({**found, "http.response.status_code": answer.status, "norce.answer": answer.name})
    if answer.status >= FAILED_FROM:
        tracing.failed(span, answer.name)


def send_span(record: Record) -> AbstractContextManager[Span]:
    """Around sending a record until Kafka has it."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    return tracing.span(messages.span_name(messages.SEND, record.topic), SpanKind.PRODUCER)
