"""One event through all processes, each a process of its own, seen by a collector on a socket and in the logs."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.events.registry import ORDER_TOPIC, PAYMENT_TOPIC
from pipeline.partitions import home
from tests.pipeline.system import ALL, System
from tests.support.kafka import read_all, until
from tests.support.traces import Collector, Seen

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT, APPLICATION = 101, 1011
PLANTED = {"FirstName": "Plantedname", "Email": "planted@example.com", "CellPhone": "+46701234567"}
NORCES = "0af7651916cd43dd8448eb211c80319c"
_references = count(5001)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    settings = {
        "NORCE_SIMULATOR_ORDERS": 0,
        "NORCE_LOG_FORMAT": "json",
        "NORCE_CONNECT_BACKOFF_INITIAL": 0.05,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": 100,
    }
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, settings)
        try:
            await made.start("simulator", *ALL)
            yield made
        finally:
            await made.stack.stop()


async def new_order(system: System) -> str:
    """The reference of an order that Norce knows, in Commerce and in Checkout, and no other test uses."""
    reference = str(next(_references))
    body = {"client_id": CLIENT, "application_id": APPLICATION, "client_order_ref": reference}
    place = {"order_id": int(reference), "merchant": "merchant-101", "channel": "channel-1011"}
    answer = await system.client.post(f"{system.stack.url('simulator')}/simulator/orders", json={**body, **place})
    assert answer.is_success, answer.text
    return reference


def key_of(reference: str) -> str:
    return f"{CLIENT}:{APPLICATION}:{reference}"


async def pay(system: System, reference: str, **headers: str) -> None:
    body = {
        "ClientId": CLIENT,
        "ApplicationId": APPLICATION,
        "ClientOrderRef": reference,
        "ErpOrderNo": f"SO{reference}",
        "PaymentCode": "1",
        "Amount": 100.5,
        "CurrencyCode": "SEK",
        **PLANTED,
    }
    answer = await system.client.post(
        f"{system.stack.url('webhook')}/webhooks/norce/orderpaymentreceivedevent",
        content=json.dumps(body),
        headers={"x-norce-secret": system.stack.environment["NORCE_WEBHOOK_SECRETS"], **headers},
    )
    assert answer.status_code == 200, answer.text


async def told(system: System, reference: str) -> None:
    """Wait until Norce was told on both ways."""

    async def ways() -> set[str]:
        order = await system.observer.order(reference)
        return {update["service"] for update in order["updates"]}

    await until(ways, lambda seen: seen >= {"connect", "checkout"}, tries=600)


async def trace_of(system: System, collector: Collector, reference: str, spans: int) -> list[Seen]:
    """The spans of the trace that the order's payment is in, once there are so many."""
    record = await sole(system, PAYMENT_TOPIC, reference)
    trace = dict(record.headers)["traceparent"].decode().split("-")[1]

    async def look() -> list[Seen]:
        return collector.of(trace)

    return await until(look, lambda seen: len(seen) >= spans)


async def sole(system: System, topic: str, reference: str) -> Any:
    (record,) = [r for r in await read_all(system.servers, topic) if r.key == key_of(reference).encode()]
    return record


def tree(spans: list[Seen], parent: str = "") -> list[Any]:
    """What happened below a span: service, name, kind, and what happened below that."""
    below = [span for span in spans if span.parent == parent]
    return sorted([f"{span.service}: {span.name} ({span.kind})", tree(spans, span.id)] for span in below)


def lines(system: System, process: str) -> list[dict[str, Any]]:
    """The log of a process."""
    written = system.stack.processes[process].log.read_text().splitlines()
    return [json.loads(line) for line in written if line.startswith("{")]


async def line(system: System, process: str, event: str, **fields: str) -> dict[str, Any]:
    """The one log line that says so."""

    async def look() -> list[dict[str, Any]]:
        return [one for one in lines(system, process) if one["event"] == event and fields.items() <= one.items()]

    (found,) = await until(look, len)
    return found


CONNECT_SENDS = [
    "norce-worker: send norce.updates (producer)",
    [
        [
            "norce-sink-connect: process norce.updates (consumer)",
            [
                ["norce-sink-connect: GET FindOrder (client)", []],
                ["norce-sink-connect: POST SendOrderStatus (client)", []],
            ],
        ]
    ],
]
CHECKOUT_SENDS = [
    "norce-worker: send norce.updates (producer)",
    [
        [
            "norce-sink-checkout: process norce.updates (consumer)",
            [
                ["norce-sink-checkout: GET FindOrders (client)", []],
                ["norce-sink-checkout: PATCH PatchAttributes (client)", []],
            ],
        ]
    ],
]
WAY = [
    "norce-webhook: POST /webhooks/norce/{event_type} (server)",
    [
        [
            "norce-webhook: send norce.events.payment (producer)",
            [["norce-worker: process norce.events.payment (consumer)", [CHECKOUT_SENDS, CONNECT_SENDS]]],
        ]
    ],
]


async def test_one_event_is_one_trace_from_the_webhooks_request_to_the_calls_to_norce(
    system: System, collector: Collector
) -> None:
    reference = await new_order(system)
    await pay(system, reference)
    await told(system, reference)
    spans = await trace_of(system, collector, reference, spans=11)
    assert tree(spans) == [WAY]
    named = {span.name: span.attributes for span in spans}
    event = await sole(system, PAYMENT_TOPIC, reference)
    assert named["process norce.events.payment"] == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": PAYMENT_TOPIC,
        "messaging.destination.partition.id": str(event.partition),
        "messaging.kafka.offset": event.offset,
        "messaging.kafka.message.key": key_of(reference),
        "messaging.consumer.group.name": "norce-orders",
        "cloudevents.event_id": dict(event.headers)["ce_id"].decode(),
        "cloudevents.event_type": "io.norce.OrderPaymentReceivedEvent",
        "norce.outcome": "applied",
    }
    assert named["POST /webhooks/norce/{event_type}"]["url.path"] == "/webhooks/norce/OrderPaymentReceivedEvent"
    assert named["POST SendOrderStatus"]["http.response.status_code"] == 200
    assert {span.attributes["norce.outcome"] for span in spans if span.name == "process norce.updates"} == {"delivered"}


async def test_a_trace_that_norce_began_goes_on_and_a_strangers_does_not(system: System, collector: Collector) -> None:
    reference, above = await new_order(system), "b7ad6b7169203331"
    incoming = {"traceparent": f"00-{NORCES}-{above}-01", "tracestate": "congo=planted-state"}
    refused = await system.client.post(
        f"{system.stack.url('webhook')}/webhooks/norce/OrderReceivedEvent",
        headers={"x-norce-secret": "wrong", "traceparent": f"00-{'f' * 32}-{above}-01"},
    )
    assert refused.status_code == 401
    await pay(system, reference, **incoming)
    await told(system, reference)
    spans = await trace_of(system, collector, reference, spans=11)
    assert {span.trace for span in spans} == {NORCES}
    assert tree(spans, above) == [WAY]
    assert not collector.of("f" * 32)


async def test_norce_gets_no_header_it_did_not_ask_for_and_the_token_is_in_no_events_trace(
    system: System, collector: Collector
) -> None:
    reference = await new_order(system)
    await pay(system, reference)
    await told(system, reference)
    calls = [call for service in ("identity", "connect", "query", "checkout") for call in await system.calls(service)]
    assert {call["service"] for call in calls} == {"identity", "connect", "query", "checkout"}
    assert not any("traceparent" in {name.lower() for name in call["headers"]} for call in calls)
    tokens = [span for span in collector.spans if span.name == "POST Token"]
    assert tokens
    assert all(span.parent == "" and len(collector.of(span.trace)) == 1 for span in tokens)


async def test_no_body_no_secret_and_no_person_is_in_any_span_or_log_line(system: System, collector: Collector) -> None:
    reference = await new_order(system)
    await pay(system, reference, tracestate="congo=planted-state", baggage="who=planted-baggage")
    await told(system, reference)
    await trace_of(system, collector, reference, spans=11)
    environment = system.stack.environment
    secrets = [environment["NORCE_WEBHOOK_SECRETS"], environment["NORCE_CHECKOUT_TOKEN"], "Bearer", "access_token"]
    words = [*PLANTED.values(), "planted", "100.5", *secrets]
    said = b"".join(collector.raw) + b"".join(p.log.read_bytes() for p in system.stack.processes.values())
    assert [word for word in words if word.encode() in said] == []


async def test_log_lines_about_a_call_name_the_order_the_update_and_the_trace(
    system: System, collector: Collector
) -> None:
    reference = await new_order(system)
    about = {"service": "connect", "operation": "SendOrderStatus", "order": reference}
    script = [{"kind": "answer", "status": 503, **about}, {"kind": "answer", "status": 400, **about}]
    await system.knobs(script=script)
    await pay(system, reference)
    refused = await line(system, "sink connect", "update refused", key=key_of(reference))
    repeated = await line(system, "sink connect", "norce_call_repeated", key=key_of(reference))
    trace = refused["trace_id"]

    async def look() -> list[Seen]:
        return [span for span in collector.of(trace) if span.service == "norce-sink-connect"]

    def has_ended(spans: list[Seen]) -> bool:
        return any(span.name == "process norce.updates" for span in spans)

    spans = await until(look, has_ended)
    (worked,) = [span for span in spans if span.name == "process norce.updates"]
    assert worked.failed
    for written in (refused, repeated):
        assert (written["trace_id"], written["span_id"]) == (worked.trace, worked.id)
        assert written["update_id"] == worked.attributes["norce.update_id"]
    attempts = [span for span in spans if span.name == "POST SendOrderStatus"]
    assert sorted(span.attributes["error.type"] for span in attempts) == ["400", "503"]


async def test_log_lines_about_an_event_name_its_id_its_key_and_its_trace(system: System, collector: Collector) -> None:
    """One that the connector refuses, and one that the worker cannot fold and parks with its headers."""
    answer = await system.client.post(
        f"{system.stack.url('webhook')}/webhooks/norce/OrderReceivedEvent",
        content=b"{}",
        headers={"x-norce-secret": system.stack.environment["NORCE_WEBHOOK_SECRETS"]},
    )
    assert answer.status_code == 200
    (kept,) = await read_all(system.servers, topics.QUARANTINE)
    quarantined = await line(system, "webhook", "event quarantined", event_id=dict(kept.headers)["ce_id"].decode())
    assert dict(kept.headers)["traceparent"].decode().split("-")[1] == quarantined["trace_id"]

    key = key_of(await new_order(system)).encode()
    headers = [
        ("ce_id", b"poison-1"),
        ("ce_type", b"io.norce.OrderConfirmedEvent"),
        ("ce_time", b"2026-01-01T00:00:00.000000Z"),
        ("traceparent", b"00-%s-b7ad6b7169203332-01" % (b"e" * 32)),
    ]
    async with AIOKafkaProducer(bootstrap_servers=system.servers, acks="all") as producer:
        partition = home(key, system.stack.kafka.partitions)
        await producer.send_and_wait(ORDER_TOPIC, b"{}", key=key, partition=partition, headers=headers)
    parked = await line(system, "worker", "event cannot be folded, its key is parked", event_id="poison-1")

    async def look() -> list[Seen]:
        return collector.of("e" * 32)

    (worked,) = await until(look, len)
    assert (parked["key"], parked["trace_id"], parked["span_id"]) == (key.decode(), worked.trace, worked.id)
    assert (worked.failed, worked.attributes["error.type"]) == (True, "poison")


async def refused_by_all(collector: Collector, times: int) -> None:
    """Wait until every process was refused so often."""

    async def look() -> list[int]:
        return sorted(collector.refused.values())

    await until(look, lambda counts: len(counts) == len(ALL) and counts[0] >= times)


async def test_a_collector_that_is_away_stops_nothing_and_is_named_once(system: System, collector: Collector) -> None:
    collector.answer = 400
    try:
        for times in (1, 2):
            reference = await new_order(system)
            await pay(system, reference)
            await told(system, reference)
            await refused_by_all(collector, times)
        for name in ALL:
            await line(system, name, "the collector does not take traces, they are dropped; nothing else depends on it")
    finally:
        collector.answer = 200
    reference = await new_order(system)
    await pay(system, reference)
    await told(system, reference)
    assert tree(await trace_of(system, collector, reference, spans=11)) == [WAY]
    for name in ALL:
        await line(system, name, "the collector takes traces again")
        warned = [one for one in lines(system, name) if re.search("export|collector|Queue full", one["event"])]
        assert len(warned) == 2, warned


async def test_without_tracing_nothing_is_sent_to_a_collector_and_no_record_carries_a_context(
    system: System, collector: Collector
) -> None:
    """An incoming context is left behind too: what does not trace passes nothing on."""
    for name in ALL:
        assert await system.stop(name) == 0
    before = collector.requests
    system.stack.environment["OTEL_SDK_DISABLED"] = "true"
    await system.start(*ALL)
    reference = await new_order(system)
    await pay(system, reference, traceparent=f"00-{'d' * 32}-b7ad6b7169203333-01")
    await told(system, reference)
    for name in ALL:
        assert await system.stop(name) == 0
    records = [r for t in (PAYMENT_TOPIC, topics.UPDATES) for r in await read_all(system.servers, t)]
    ours = [record for record in records if record.key == key_of(reference).encode()]
    assert len(ours) == 3
    assert not any(name == "traceparent" for record in ours for name, _ in record.headers)
    assert collector.requests == before
