"""A body that cannot be used is answered 200, once, and kept byte for byte with the reason."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.broker import KafkaCluster
from tests.webhook.support import SECRET, Connector, headers_of, order, tail

GOOD = order("77")

CORPUS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "not_json"),
    ("truncated", GOOD[:-3], "not_json"),
    ("two documents", GOOD + GOOD, "not_json"),
    ("byte order mark", b"\xef\xbb\xbf" + GOOD, "not_json"),
    ("not JSON at all", b"ClientId=1&ApplicationId=2", "not_json"),
    ("UTF-16", GOOD.decode().encode("utf-16"), "not_utf8"),
    ("bad UTF-8", GOOD.replace(b"WEB", b"\xff\xfe"), "not_utf8"),
    ("array", b"[" + GOOD + b"]", "not_an_object"),
    ("text", b'"OrderReceivedEvent"', "not_an_object"),
    ("null", b"null", "not_an_object"),
    ("NaN", GOOD[:-1] + b', "x": NaN}', "not_finite"),
    ("infinity", GOOD[:-1] + b', "x": -Infinity}', "not_finite"),
    ("number too large", GOOD[:-1] + b', "x": 1e999}', "not_finite"),
    ("endless integer", GOOD[:-1] + b', "x": ' + b"9" * 5000 + b"}", "too_large_number"),
    ("key twice", GOOD[:-1] + b', "ClientId": 2}', "duplicate_key"),
    ("half a surrogate", GOOD[:-1] + b', "x": "\\ud83d"}', "lone_surrogate"),
    ("20 deep", GOOD[:-1] + b', "x": ' + b"[" * 20 + b"]" * 20 + b"}", "too_deep"),
    ("30,000 deep", b"[" * 30_000 + b"]" * 30_000, "too_deep"),
    ("missing field", b'{"ClientId": 1}', "wrong_fields"),
    ("wrong type", order("77", Source=5), "wrong_fields"),
    ("number as text", order("77", ClientId="1"), "wrong_fields"),
    ("empty key", order(""), "wrong_fields"),
]


@pytest.mark.parametrize(("body", "reason"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS])
async def test_a_bad_body_is_answered_200_and_kept_with_its_reason(
    connector: Connector, broker: KafkaCluster, body: bytes, reason: str
) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(body)
        (record,) = await topics.to_the_end()
    assert (answer.status_code, answer.content) == (200, b"")
    assert (record.topic, record.key, record.value) == ("norce.quarantine", None, body)
    headers = headers_of(record)
    assert headers["norce_reason"] == reason
    assert headers["norce_event_type"] == "OrderReceivedEvent"
    assert headers["norce_detail"]
    assert headers["ce_type"] == "io.norce.quarantined"
    assert {"ce_id", "ce_time", "ce_source", "ce_specversion", "norce_where"} <= headers.keys()
    assert "ce_partitionkey" not in headers


async def test_a_compressed_body_is_kept_as_it_came_and_never_unpacked(
    connector: Connector, broker: KafkaCluster
) -> None:
    bomb = gzip.compress(bytes(30_000_000))
    assert len(bomb) < 65_536
    before = connector.memory
    async with tail(broker.bootstrap_servers) as topics:
        for _ in range(20):
            answer = await connector.post(bomb, headers={"content-encoding": "gzip"})
            assert answer.status_code == 200
        records = await topics.to_the_end()
    assert {(record.topic, record.value) for record in records} == {("norce.quarantine", bomb)}
    assert {headers_of(record)["norce_reason"] for record in records} == {"content_encoded"}
    assert connector.memory - before < 50_000_000


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=20))
async def test_any_bytes_are_answered_200_and_are_on_kafka(
    connector: Connector, broker: KafkaCluster, bodies: list[bytes]
) -> None:
    async with tail(broker.bootstrap_servers) as topics, connector.client() as client:
        for body in bodies:
            answer = await client.post("/webhooks/norce/ExportDeliveredEvent", content=body)
            assert answer.status_code == 200
        records = await topics.to_the_end()
    assert sorted(record.value for record in records) == sorted(bodies)


async def test_neither_secret_nor_personal_data_is_logged_or_noted_beside_the_body(
    connector: Connector, broker: KafkaCluster
) -> None:
    body = order("77", Email=["private@example.com"], FirstName=5, CellPhone="0701234567")
    async with tail(broker.bootstrap_servers) as topics:
        await connector.post(body)
        (record,) = await topics.to_the_end()
    beside = str(record.headers) + connector.process.output
    assert "Email" in headers_of(record)["norce_detail"]
    assert headers_of(record)["ce_id"] in connector.process.output
    assert not any(private in beside for private in ("private@example.com", "0701234567", SECRET))


def test_quarantined_requests_are_counted_by_reason(connector: Connector) -> None:
    before = connector.metric("norce_webhook_quarantined_total", reason="duplicate_key")
    asyncio.run(connector.post(GOOD[:-1] + b', "ClientId": 2}'))
    assert connector.metric("norce_webhook_quarantined_total", reason="duplicate_key") == before + 1
