"""The spans of the events of a step: each is a child of what its record's headers name, and the parent of the updates.

A span begins with the step and ends once everything that follows is written. Work that is given up, to be done again
by whoever reads the event next, has none. An event that was parked keeps its headers, so what is done when it is
released belongs to the same trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind

from pipeline import topics, tracing
from pipeline.agents.records import Read, Work
from pipeline.engine import Outgoing
from pipeline.ledger import EventOutcome
from pipeline.tracing import messages

FAILURES = frozenset((EventOutcome.DEAD, EventOutcome.POISON))


def span_of(work: Work, read: Read) -> Span:
    """The span of an event, begun when it is asked for first."""
    span = work.spans.get(read)
    if span is None:
        name = messages.span_name(messages.PROCESS, read.record.topic)
        parent = tracing.parent_in(read.record.headers)
        span = work.spans[read] = tracing.start(name, SpanKind.CONSUMER, parent, start_time=work.began)
    return span


def within(work: Work, read: Read) -> AbstractContextManager[Span]:
    """For log lines about an event."""
    return tracing.current(span_of(work, read)) if tracing.is_on() else tracing.NO_SPAN


def trace(work: Work) -> None:
    """Put the events' spans into what they caused, and end them when that is written."""
    if not tracing.is_on():
        return
    for read in work.reads:
        if not tracing.left_out(read.record.headers):
            span_of(work, read)
    sent = _into_updates(work)
    if not work.spans:
        return

    def end() -> None:
        for read, span in work.spans.items():
            outcome = str(read.end or EventOutcome.POISON)  # tried again in vain, it has ended neither way
            messages.note_read(span, read.record, work.step.writer, outcome=outcome)
            if outcome in FAILURES:
                tracing.failed(span, outcome)
            span.end()
        for span in sent:
            span.end()

    work.step.afterwards.append(end)


def _into_updates(work: Work) -> list[Span]:
    """Give each update the context of its sending, below the newest event of its key that said something new."""
    updates = work.step.outputs.get(topics.UPDATES)
    if not updates:
        return []
    causes, sent = _by_key(work.reads), []
    for number, update in enumerate(updates):
        caused = causes.get(update.key, ())
        spans = [work.spans[read] for read in caused if read in work.spans]
        if spans:
            span = _sending(update, spans)
            sent.append(span)
            updates[number] = update._replace(headers=tracing.with_context([*update.headers], span))
        elif caused:
            context = tracing.context_of(caused[-1].record.headers)
            updates[number] = update._replace(headers=[*update.headers, *context])
    return sent


def _by_key(reads: Iterable[Read]) -> Mapping[bytes, list[Read]]:
    """The events that said something new, by key and in their order."""
    found: dict[bytes, list[Read]] = {}
    for read in reads:
        if read.end == EventOutcome.APPLIED:
            found.setdefault(bytes(read.record.key or b""), []).append(read)
    return found


def _sending(update: Outgoing, caused: Iterable[Span]) -> Span:
    *others, last = caused
    name = messages.span_name(messages.SEND, topics.UPDATES)
    span = tracing.start(name, SpanKind.PRODUCER, tracing.below(last), links=others)
    messages.note_sent(span, topics.UPDATES, update.key, update.headers)
    return span
