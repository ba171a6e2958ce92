"""What a call to Norce says in a trace, and what of the trace Norce gets to see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from connectors.norce import NotConfigured, Request, Token, Transport
from connectors.norce.transport import Lost
from pipeline import tracing
from tests.clients.peer import Hang, Peer, Reply, Reset
from tests.support.traces import traced

SECRET = "planted-token"


async def call(peer: Peer, within: float = 5.0, **changes: Any) -> None:
    url = peer.url.replace("://", "://planted-user:planted-password@")
    request = Request("FindOrders", "GET", f"{url}/orders", query={"filter": "planted-filter"}, **changes)
    async with Transport(1.0) as transport:
        await transport.exchange(request, within=within, token=Token(SECRET))


async def test_a_call_is_a_span_below_the_work_it_is_for_and_says_no_secret_and_no_query(peer: Peer) -> None:
    with traced() as spans, tracing.span("work", SpanKind.CONSUMER):
        await call(peer)
    made, work = spans.get_finished_spans()
    assert (made.name, made.kind, made.parent) == ("GET FindOrders", SpanKind.CLIENT, work.context)
    assert made.attributes == {
        "norce.operation": "FindOrders",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": int(peer.url.rpartition(":")[2]),
        "url.full": f"{peer.url}/orders",
    }
    assert "planted" not in made.to_json() + work.to_json()


@pytest.mark.parametrize(
    ("behaviour", "kind"), [(Reply(500, b"planted"), "500"), (Hang(), "timeout"), (Reset(in_body=True), "broken")]
)
async def test_a_failed_call_is_named_by_its_kind_alone(peer: Peer, behaviour: Any, kind: str) -> None:
    peer.handler = lambda _: behaviour
    with traced() as spans:
        try:
            await call(peer, within=0.3)
        except Lost:
            assert not isinstance(behaviour, Reply)
    (made,) = spans.get_finished_spans()
    assert (made.attributes or {})["error.type"] == kind
    assert (made.status.status_code, made.status.description, made.events) == (StatusCode.ERROR, None, ())


async def test_an_address_that_is_none_is_named_as_such_also_while_tracing() -> None:
    with traced() as spans:
        async with Transport(1.0) as transport:
            with pytest.raises(NotConfigured):
                await transport.exchange(Request("FindOrders", "GET", "http://127.0.0.1:port/"), within=1.0)
    (made,) = spans.get_finished_spans()
    assert (made.attributes or {})["error.type"] == "NotConfigured"


async def test_norce_gets_the_context_only_where_the_settings_want_it(peer: Peer) -> None:
    with traced():
        await call(peer)
    with traced(send_to_norce=True) as spans:
        await call(peer)
    await call(peer)
    assert ["traceparent" in received.headers for received in peer.received] == [False, True, False]
    context = spans.get_finished_spans()[0].context
    assert context is not None
    given = peer.received[1].headers["traceparent"]
    assert (
        given == f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"
    )


async def test_calls_at_the_same_time_stay_below_their_own_work(peer: Peer) -> None:
    async def work(number: int) -> None:
        with tracing.span(f"work {number}", SpanKind.CONSUMER):
            await call(peer)

    with traced() as spans:
        await asyncio.gather(*(work(number) for number in range(10)))
    found = spans.get_finished_spans()
    parents = [span.parent for span in found if span.name == "GET FindOrders"]
    assert len(parents) == 10
    assert {parent.span_id for parent in parents if parent} == {
        span.context.span_id for span in found if span.context and span.name.startswith("work")
    }
