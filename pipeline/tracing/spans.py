"""Spans, and the context that links those of different processes. Only OpenTelemetry's API is used in here.

Spans hold ids, keys, names and outcomes: no body, no header, no query, and no text of an error, because any of them may
name a person or hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Headers = list[tuple[str, bytes]]

CONTEXT_HEADER = "traceparent"
"""W3C Trace Context, by the same name in requests and in records.

Its other header, ``tracestate``, is left behind: it is text of the sender's, and public topics hold none.
"""

_LEFT_OUT = (b"-00", b"-02")
"""How a ``traceparent`` ends whose trace is not kept."""

_PROPAGATOR = TraceContextTextMapPropagator()

NO_SPAN: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)
"""Around work that has no span; one for all, so that it costs nothing."""


@dataclass(slots=True)
class _Switch:
    """What this process traces with; no tracer: it does not."""

    tracer: trace.Tracer | None = None
    follows: bool = True
    """Whether what the first process of a trace decided is kept to, as the parentbased samplers do."""
    send_to_norce: bool = False


switch = _Switch()


def is_on() -> bool:
    """Whether this process traces."""
    return switch.tracer is not None


def span(name: str, kind: SpanKind, parent: Context | None = None) -> AbstractContextManager[Span]:
    """A span around some work, current in it; one that records nothing while tracing is off.

    An error that leaves the work is named in the span: by its ``error_type`` if it has one, or else by its class.

    Args:
        parent: where it belongs, see ``parent_in``; without it below the current span.
    """
    if switch.tracer is None:
        return NO_SPAN
    return _around(switch.tracer.start_span(name, context=parent, kind=kind))


def start(
    name: str,
    kind: SpanKind,
    parent: Context | None = None,
    *,
    links: Iterable[Span] = (),
    start_time: int | None = None,
) -> Span:
    """A span that the caller ends. ``start_time`` is in nanoseconds since 1970."""
    if switch.tracer is None:
        return trace.INVALID_SPAN
    found = [Link(other.get_span_context()) for other in links]
    return switch.tracer.start_span(name, context=parent, kind=kind, links=found, start_time=start_time)


def current(within: Span) -> AbstractContextManager[Span]:
    """Make a span the current one for some work, without ending it."""
    return trace.use_span(within, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def below(parent: Span) -> Context:
    """Where the children of a span belong."""
    return trace.set_span_in_context(parent, Context())


def apart() -> Context:
    """Where a trace of its own begins, whatever span is current."""
    return Context()


def failed(within: Span, kind: str) -> None:
    """Mark a span as failed; ``kind`` is one of few names."""
    if within.is_recording():
        within.set_attribute("error.type", kind)
        within.set_status(Status(StatusCode.ERROR))


def parent_in(headers: Iterable[tuple[str, bytes]]) -> Context:
    """The context in headers; an empty one, where a trace begins, if they hold none that can be read."""
    found = {name: value.decode("latin-1") for name, value in headers if name == CONTEXT_HEADER}
    return _PROPAGATOR.extract(found, context=Context())


def left_out(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether it is clear without making a span that there is none to be made: thousands of events are asked at once.

    What follows from the record then carries the record's own context on.
    """
    return switch.follows and any(name == CONTEXT_HEADER and value.endswith(_LEFT_OUT) for name, value in headers)


def context_of(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """The headers that carry the context, out of others."""
    return [header for header in headers if header[0] == CONTEXT_HEADER]


def carried(within: Span) -> Headers:
    """The headers that carry a span's context; none if it has none."""
    return [(name, value.encode("latin-1")) for name, value in _injected(within).items()]


def with_context(headers: Headers, within: Span) -> Headers:
    """Headers and the context of a span; the same headers while tracing is off."""
    return headers if switch.tracer is None else [*headers, *carried(within)]


def to_norce(within: Span) -> dict[str, str]:
    """The headers that a call to Norce gets for its trace: none, unless the settings want them."""
    return _injected(within) if switch.send_to_norce else {}


def ids() -> dict[str, str]:
    """The current span as a log line names it: ``trace_id`` and ``span_id`` in hex, nothing outside of spans."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _injected(within: Span) -> dict[str, str]:
    found: dict[str, str] = {}
    _PROPAGATOR.inject(found, below(within))
    return found


@contextmanager
def _around(made: Span) -> Iterator[Span]:
    with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield made
        except BaseException as error:
            failed(made, getattr(error, "error_type", type(error).__name__))
            raise
