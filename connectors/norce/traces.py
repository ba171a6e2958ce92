"""The span of one request to Norce, by OpenTelemetry's conventions for HTTP clients."""

from __future__ import annotations

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind

from pipeline import tracing

FAILED_FROM = 400
"""Status from which a client's span counts as failed (OpenTelemetry's conventions)."""


def call_span(operation: str, method: str) -> AbstractContextManager[Span]:
    """Around one attempt; each repeat has a span of its own."""
    return tracing.span(f"{method} {operation}", SpanKind.CLIENT)


def note_call(span: Span, operation: str, method: str, url: str) -> None:
    """Say what is called. Of the address only what names a place: a query may hold a filter, and a user a password."""
    if not span.is_recording():
        return
    span.set_attributes({"norce.operation": operation, "http.request.method": method})
    try:
        place = urlsplit(url)
        port = place.port or (443 if place.scheme == "https" else 80)
    except ValueError:
        return  # no address; the call will say so
    span.set_attributes(
        {
            "server.address": place.hostname or "",
            "server.port": port,
            "url.full": f"{place.scheme}://{place.netloc.rpartition('@')[2]}{place.path}",
        }
    )


def note_status(span: Span, status: int) -> None:
    """Say what was answered."""
    if not span.is_recording():
        return
    span.set_attribute("http.response.status_code", status)
    if status >= FAILED_FROM:
        tracing.failed(span, str(status))
