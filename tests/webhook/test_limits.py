"""Abuse is answered inside the limits, and costs little."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pipeline.broker import KafkaCluster
from tests.webhook.conftest import StartConnector
from tests.webhook.support import NORCE_TIMEOUT, Connector, head, order, raw, tail

LIMIT = 65_536


def padded(size: int) -> bytes:
    """A good body of exactly this many bytes."""
    body = order("77", Padding="")
    return body.replace(b'"Padding": ""', b'"Padding": "' + b"x" * (size - len(body)) + b'"')


async def test_a_body_of_exactly_the_limit_is_taken(connector: Connector, broker: KafkaCluster) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(padded(LIMIT))
        (record,) = await topics.to_the_end()
    assert (answer.status_code, len(record.value)) == (200, LIMIT)


async def test_a_larger_body_is_answered_413(connector: Connector, broker: KafkaCluster) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(padded(LIMIT + 1))
        assert await topics.to_the_end() == []
    assert answer.status_code == 413
    assert answer.json()["error"] == "body_too_large"


async def test_a_body_that_says_it_is_larger_is_answered_413_before_it_comes(connector: Connector) -> None:
    async with raw(connector.port, head(content_length=10**12)) as connection:
        assert await connection.status() == 413


async def test_a_body_without_a_length_is_answered_413_as_soon_as_it_is_larger(connector: Connector) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with raw(connector.port, head(transfer_encoding="chunked") + chunk + b"1\r\nx\r\n") as connection:
        assert await connection.status() == 413


async def test_a_body_in_chunks_is_put_together(connector: Connector, broker: KafkaCluster, unique: str) -> None:
    body = order(unique)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:11], body[11:]))
    whole = head(transfer_encoding="chunked") + chunks + b"0\r\n\r\n"
    async with tail(broker.bootstrap_servers) as topics, raw(connector.port, whole) as connection:
        assert await connection.status() == 200
        (record,) = await topics.to_the_end()
    assert record.value == body


@pytest.fixture
def impatient(broker: KafkaCluster, start_connector: StartConnector) -> Connector:
    connector = start_connector(broker.bootstrap_servers, header_timeout="0.5", body_timeout="0.5")
    connector.until_ready()
    return connector


async def test_a_slow_body_is_answered_408(impatient: Connector) -> None:
    half = head(content_length=100) + b'{"ClientId"'
    async with asyncio.timeout(NORCE_TIMEOUT), raw(impatient.port, half) as connection:
        assert await connection.status() == 408
    assert impatient.metric("norce_webhook_request_seconds_count") == 1
    assert impatient.metric("norce_webhook_request_seconds_sum") >= 0.5, "what is refused is timed as well"


async def test_a_body_that_trickles_is_answered_408_all_the_same(impatient: Connector) -> None:
    async with asyncio.timeout(NORCE_TIMEOUT), raw(impatient.port, head(content_length=1000)) as connection:

        async def trickle() -> None:
            while True:
                await connection.send(b" ")
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        assert await connection.status() == 408
        trickling.cancel()


@pytest.mark.parametrize("sent", [b"", b"POST /webhooks/norce HTTP/1.1\r\nhost: test\r\n"])
async def test_a_connection_that_sends_no_complete_headers_is_closed(impatient: Connector, sent: bytes) -> None:
    async with asyncio.timeout(NORCE_TIMEOUT), raw(impatient.port, sent) as connection:
        assert await connection.rest() == b""


async def test_connections_are_bounded_and_one_that_closes_makes_room(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    connector = start_connector(broker.bootstrap_servers, max_in_flight="1", header_timeout="60")  # two connections
    connector.until_ready()
    async with raw(connector.port, b"") as idle, raw(connector.port, b""), connector.client() as client:
        third = asyncio.create_task(client.post("/webhooks/norce/OrderReceivedEvent", content=order("77")))
        done, _ = await asyncio.wait([third], timeout=0.5)
        assert not done
        await idle.close()
        assert (await third).status_code == 200


async def test_ten_thousand_headers_are_refused(connector: Connector) -> None:
    many = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
    async with raw(connector.port, head()[:-2] + many + b"\r\n") as connection:
        assert await connection.status() == 431


@pytest.mark.parametrize(
    "sent",
    [head(content_length=100) + b'{"ClientId"', head(transfer_encoding="chunked") + b'b\r\n{"ClientId"\r\n5\r\n:1'],
    ids=["of a known length", "in chunks"],
)
async def test_a_sender_that_hangs_up_in_its_body_leaves_nothing_behind(
    connector: Connector, broker: KafkaCluster, sent: bytes
) -> None:
    before = connector.metric("norce_webhook_requests_total", answer="sender_gone")
    async with tail(broker.bootstrap_servers) as topics:
        async with raw(connector.port, sent):
            await connector.until("norce_webhook_in_flight", lambda value: value == 1)
        await connector.until("norce_webhook_in_flight", lambda value: value == 0)
        assert await topics.to_the_end() == []
    assert connector.metric("norce_webhook_requests_total", answer="sender_gone") == before + 1


async def test_abuse_does_not_make_the_connector_grow(connector: Connector) -> None:
    huge = b"x" * 1_000_000
    before = connector.memory
    for _ in range(5):
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(raw(connector.port, head(content_length=10**9) + huge))
            chunked = head(transfer_encoding="chunked") + b"%x\r\n" % 10**9
            await stack.enter_async_context(raw(connector.port, chunked + huge))
            await stack.enter_async_context(raw(connector.port, head()[:-2] + b"x-header: " + huge))
    assert connector.memory - before < 50_000_000
    assert (await connector.post(order("77"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/norce/OrderReceivedEvent", 405),
        ("PUT", "/webhooks/norce", 405),
        ("POST", "/webhooks/norce/OrderReceivedEvent/more", 404),
        ("POST", "/webhooks", 404),
        ("POST", "/readyz", 405),
        ("GET", "/", 404),
    ],
)
async def test_a_wrong_path_or_method_is_told_so(connector: Connector, method: str, path: str, status: int) -> None:
    async with connector.client() as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"] == {404: "not_found", 405: "method_not_allowed"}[status]
