"""Starting and stopping: what was begun is finished, and nothing starts half."""

from __future__ import annotations

import asyncio
import itertools
import signal

import httpx

from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from tests.support.processes import Process
from tests.webhook.conftest import StartConnector
from tests.webhook.support import PROGRAM, Connector, head, order, raw, tail


async def test_stopped_under_load_it_answers_every_request_whose_event_it_took(
    broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(broker.bootstrap_servers)
    connector.until_ready()
    numbers = itertools.count()
    answered: dict[bytes, int] = {}

    async def post_until_refused(client: httpx.AsyncClient) -> None:
        while True:
            body = order(f"{unique}-{next(numbers)}")
            try:
                answered[body] = (await client.post("/webhooks/norce/OrderReceivedEvent", content=body)).status_code
            except httpx.TransportError:
                return

    async with tail(broker.bootstrap_servers, "norce.events.order") as seen, connector.client() as client:
        posting = [asyncio.create_task(post_until_refused(client)) for _ in range(32)]
        await connector.until("norce_webhook_requests_total", lambda value: value > 200)
        connector.process.signal(signal.SIGTERM)
        await asyncio.gather(*posting)
        assert await asyncio.to_thread(connector.process.wait) == 0
        records = await seen.to_the_end()
    assert set(answered.values()) == {200}
    assert sorted(record.value for record in records) == sorted(answered)


async def test_a_request_that_waits_for_kafka_is_finished_before_the_process_ends(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers)
    connector.until_ready()
    fragile_broker.pause_node(1)
    posted = asyncio.create_task(connector.post(order(unique)))
    await connector.until("norce_webhook_in_flight", lambda value: value == 1)
    connector.process.signal(signal.SIGTERM)
    connector.process.until_output("webhook connector stops")
    fragile_broker.resume_node(1)
    assert (await posted).status_code == 200
    assert await asyncio.to_thread(connector.process.wait) == 0


async def test_it_stops_although_kafka_is_away(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers, produce_timeout="1")
    connector.until_ready()
    fragile_broker.pause_node(1)
    posted = asyncio.create_task(connector.post(order(unique)))
    await connector.until("norce_webhook_in_flight", lambda value: value == 1)
    connector.process.signal(signal.SIGTERM)
    assert (await posted).status_code == 503
    assert await asyncio.to_thread(connector.process.wait) == 0
    assert "Traceback" not in connector.process.output


async def test_when_the_time_to_drain_is_over_the_process_ends_and_says_so(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    connector = start_connector(broker.bootstrap_servers, drain_timeout="0.5", body_timeout="60")
    connector.until_ready()
    async with raw(connector.port, head(content_length=100) + b'{"ClientId"'):
        await connector.until("norce_webhook_in_flight", lambda value: value == 1)
        assert await asyncio.to_thread(connector.process.terminate) == 1


def test_a_port_in_use_is_named_before_anything_else_is_started(connector: Connector) -> None:
    environment = {**connector.environment, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_ports(1)[0]}"}
    second = Process(str(PROGRAM), log=connector.process.log.with_name("second.log"), environment=environment)
    with second:
        assert second.wait() == 2
    assert (
        second.output == f"PortInUse: cannot listen on 127.0.0.1 port {connector.port}: another process listens there\n"
    )


def test_a_killed_connector_leaves_no_process_and_no_port_behind(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    connector = start_connector(broker.bootstrap_servers)
    connector.until_ready()
    connector.process.kill()
    connector.start()
    connector.until_ready()
