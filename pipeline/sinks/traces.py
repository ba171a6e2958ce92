"""What log lines and spans say of the update that is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from structlog.contextvars import bound_contextvars

from pipeline import tracing
from pipeline.ledger import UpdateOutcome
from pipeline.tracing import messages


@contextmanager
def about(record: Any, update_id: str, group: str) -> Iterator[Span]:
    """Around the work on one update, until how it ended is written down.

    Log lines that are written meanwhile name the order and the update, and the span is a child of the update's sending.
    """
    with bound_contextvars(key=bytes(record.key or b"").decode("utf-8", "replace"), update_id=update_id):
        if not tracing.is_on():
            yield INVALID_SPAN
            return
        name = messages.span_name(messages.PROCESS, record.topic)
        with tracing.span(name, SpanKind.CONSUMER, tracing.parent_in(record.headers)) as span:
            messages.note_read(span, record, group, update_id=update_id)
            yield span


def note_outcome(span: Span, outcome: UpdateOutcome | None) -> None:
    """Say how the update ended, if it has."""
    if outcome is None or not span.is_recording():
        return
    span.set_attribute("norce.outcome", str(outcome))
    if outcome is UpdateOutcome.DEAD:
        tracing.failed(span, str(outcome))
