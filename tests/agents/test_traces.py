"""Which trace an event's work and its updates belong to."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import format_span_id, format_trace_id

from pipeline import topics
from pipeline.agents import folding
from pipeline.agents.commands import Commands
from pipeline.agents.join import Join
from pipeline.commands import Release, encode_command
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.domain import advance
from pipeline.engine import Outgoing, Step
from tests.agents.support import CONFIRMED, PAID, Tables, apply, record
from tests.support.traces import traced

PARENTS = ("00f067aa0ba902b7", "00f067aa0ba902b8", "00f067aa0ba902b9")
TRACES = tuple(letter * 32 for letter in "abc")


def context(number: int, flags: str = "01") -> tuple[str, bytes]:
    """The header of an event's own trace."""
    return "traceparent", f"00-{TRACES[number]}-{PARENTS[number]}-{flags}".encode()


def event(event_type: str, body: Any, number: int, flags: str = "01", **changes: Any) -> Any:
    """An event with a trace of its own."""
    made = record(event_type, body, f"e{number}", second=number, offset=number, **changes)
    made.headers.append(context(number, flags))
    return made


def confirmed(number: int, flags: str = "01", **changes: Any) -> Any:
    return event("OrderConfirmedEvent", CONFIRMED, number, flags, **changes)


def paid(number: int, flags: str = "01", **changes: Any) -> Any:
    return event("OrderPaymentReceivedEvent", {**PAID, "PaymentCode": str(number)}, number, flags, **changes)


def written(tables: Tables, step: Step) -> None:
    """Write a step down, as the app does."""
    apply(tables, step)
    for call in step.afterwards:
        call()


def updates(step: Step) -> list[Outgoing]:
    found = step.outputs[topics.UPDATES]
    assert found
    return found


def contexts(step: Step) -> set[bytes]:
    return {dict(update.headers).get("traceparent", b"") for update in updates(step)}


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Trace, parent and own id."""
    assert span.context is not None
    parent = "" if span.parent is None else format_span_id(span.parent.span_id)
    return format_trace_id(span.context.trace_id), parent, format_span_id(span.context.span_id)


def outcomes(spans: InMemorySpanExporter) -> list[Any]:
    return [(span.attributes or {}).get("norce.outcome") for span in spans.get_finished_spans()]


def test_an_update_belongs_to_the_newest_event_that_said_something_new_and_names_the_others(join: Join) -> None:
    with traced() as spans:
        step = join.step(0, [paid(0), confirmed(1), confirmed(2)])  # the last one is a repeat
        for call in step.afterwards:
            call()
    found = spans.get_finished_spans()
    worked = {ids(span)[1]: ids(span) for span in found if span.name.startswith("process")}
    assert [worked[parent][0] for parent in PARENTS] == list(TRACES)
    sent = [span for span in found if span.name == "send norce.updates"]
    assert {ids(span)[:2] for span in sent} == {(TRACES[1], worked[PARENTS[1]][2])}
    assert {format_span_id(link.context.span_id) for span in sent for link in span.links} == {worked[PARENTS[0]][2]}
    assert contexts(step) == {f"00-{TRACES[1]}-{ids(span)[2]}-01".encode() for span in sent}


def test_what_is_not_written_is_not_said_to_be_done(join: Join) -> None:
    with traced() as spans:
        step = join.step(0, [paid(0)])
        assert spans.get_finished_spans() == ()
        for call in step.afterwards:
            call()
        assert len(spans.get_finished_spans()) == 1 + len(updates(step))


def test_an_event_whose_trace_is_not_kept_has_no_span_and_its_updates_carry_its_context_on(join: Join) -> None:
    with traced() as spans:
        step = join.step(0, [paid(0, "00")])
        for call in step.afterwards:
            call()
    assert spans.get_finished_spans() == ()
    assert contexts(step) == {context(0, "00")[1]}


def test_a_sampler_that_decides_for_itself_is_asked_whatever_came_in(join: Join) -> None:
    with traced(ALWAYS_ON, follows=False) as spans:
        for call in join.step(0, [paid(0, "00")]).afterwards:
            call()
    assert "applied" in outcomes(spans)


@pytest.mark.parametrize("header", [b"garbage", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff", None])
def test_an_event_without_a_readable_context_begins_a_trace(join: Join, header: bytes | None) -> None:
    made = record("OrderPaymentReceivedEvent", PAID)
    made.headers += [] if header is None else [("traceparent", header)]
    with traced() as spans:
        step = join.step(0, [made])
        for call in step.afterwards:
            call()
    (worked,) = [span for span in spans.get_finished_spans() if span.name.startswith("process")]
    assert worked.parent is None
    assert all(found.split(b"-")[1].decode() == ids(worked)[0] for found in contexts(step))


def test_while_tracing_is_off_updates_have_the_headers_that_they_always_have(join: Join) -> None:
    step = join.step(0, [paid(0), confirmed(1)])
    assert {tuple(update.headers) for update in updates(step)} == {JSON_HEADERS}
    assert not any("trace" in call.__qualname__ for call in step.afterwards)


def test_what_was_parked_is_released_into_the_trace_that_it_came_with(
    join: Join, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(key: Any, stored: Any, arrivals: Any, **options: Any) -> Any:
        if any(arrival.event_id == "e0" for arrival in arrivals):
            raise ZeroDivisionError
        return advance(key, stored, arrivals, **options)

    monkeypatch.setattr(folding, "advance", failing)
    with traced() as spans:
        written(tables, join.step(0, [paid(0), paid(1)]))
        assert sorted(outcomes(spans)) == ["parked", "poison"]

        release(join, tables)
        assert sorted(outcomes(spans)) == ["parked", "poison", "poison"]  # tried again in vain

        monkeypatch.setattr(folding, "advance", advance)
        spans.clear()
        step = release(join, tables)
    worked = [span for span in spans.get_finished_spans() if span.name.startswith("process")]
    assert [ids(span)[:2] for span in worked] == list(zip(TRACES[:2], PARENTS[:2], strict=True))
    assert {found.split(b"-")[1].decode() for found in contexts(step)} == {TRACES[1]}


def release(join: Join, tables: Tables) -> Step:
    """Release what is parked of the order; returns the step that did."""
    head = join.parking.head(0, "order", "1:2:77")
    assert head is not None
    command = Release(id="c", by="somebody", letter=head.letter, kind="order", key="1:2:77")
    step, _ = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=encode_command(command)))
    written(tables, step)
    return step
