"""What a good request becomes, and how its event type is told."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from pipeline.broker import KafkaCluster
from pipeline.events import TOPICS
from tests.webhook.conftest import StartConnector
from tests.webhook.support import Connector, headers_of, order, tail

CONFIRMED = (
    b'{ "ClientId":1,"ApplicationId" : 2, "OrderId":3,"OrderNo":"4","ClientOrderRef":"\\u00e5","Source":"WEB",'
    b'"Added":{"by":["Norce",1.50]} }\n'
)


async def test_a_taken_event_is_on_its_topic_byte_for_byte_with_its_key_and_cloudevents_headers(
    connector: Connector, broker: KafkaCluster
) -> None:
    before = datetime.now(UTC)
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(CONFIRMED, "/webhooks/norce/OrderConfirmedEvent")
        after = datetime.now(UTC)
        (record,) = await topics.to_the_end()
    assert (answer.status_code, answer.content) == (200, b"")
    assert (record.topic, record.key, record.value) == ("norce.events.order", "1:2:å".encode(), CONFIRMED)
    headers = headers_of(record)
    assert headers.keys() == {
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_source",
        "ce_time",
        "ce_partitionkey",
        "content-type",
    }
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "io.norce.OrderConfirmedEvent"
    assert headers["ce_source"] == "/norce"
    assert headers["ce_partitionkey"] == "1:2:å"
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", headers["ce_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", headers["ce_time"])
    receipt = datetime.fromisoformat(headers["ce_time"])
    assert before <= receipt <= after
    assert record.timestamp == int(receipt.timestamp() * 1000)


async def test_a_body_that_comes_twice_is_two_records_with_ids_of_their_own(
    connector: Connector, broker: KafkaCluster, unique: str
) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        await connector.post(order(unique))
        await connector.post(order(unique))
        records = await topics.to_the_end()
    assert len({headers_of(record)["ce_id"] for record in records}) == 2


async def test_events_of_one_order_share_a_partition_number_across_topics(
    connector: Connector, broker: KafkaCluster
) -> None:
    payment = b'{"ClientId":1,"ApplicationId":2,"ClientOrderRef":"%d","ErpOrderNo":"4","PaymentCode":"p"}'
    failure = b'{"ClientId":1,"ApplicationId":2,"BasketId":%d}'
    async with tail(broker.bootstrap_servers) as topics:
        for basket in range(8):
            await connector.post(order(str(basket)))
            await connector.post(payment % basket, "/webhooks/norce/OrderPaymentReceivedEvent")
            await connector.post(failure % basket, "/webhooks/norce/SubscriptionFailedEvent")
        records = await topics.to_the_end()
    partitions = {(record.key, record.partition) for record in records}
    assert {record.topic for record in records} == {f"norce.events.{n}" for n in ("order", "payment", "subscription")}
    assert len(partitions) == 8
    assert len({partition for _, partition in partitions}) == 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/webhooks/norce/orderreceivedevent", {}),
        ("/webhooks/norce/ORDERRECEIVEDEVENT", {}),
        ("/webhooks/norce/OrderReceivedEvent/", {}),
        ("/webhooks/norce", {"x-norce-event-type": "OrderReceivedEvent"}),
        ("/webhooks/norce/", {"x-norce-event-type": "orderReceivedEvent"}),
        ("/webhooks/norce?norceEventType=OrderReceivedEvent", {}),
        ("/webhooks/norce?norceeventtype=orderreceivedevent&other=1", {}),
        ("/webhooks/norce?norceEventType=OrderReceivedEvent", {"x-norce-event-type": "orderreceivedevent"}),
        ("/webhooks/norce/OrderReceivedEvent?norceEventType=OrderReceivedEvent", {}),
        ("/webhooks/norce/OrderReceivedEvent?norceEventType=", {"x-norce-event-type": ""}),
    ],
)
async def test_the_event_type_is_taken_from_path_header_or_query_in_any_case(
    connector: Connector, broker: KafkaCluster, unique: str, path: str, headers: dict[str, str]
) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(order(unique), path, headers=headers)
        (record,) = await topics.to_the_end()
    assert answer.status_code == 200
    assert (record.topic, headers_of(record)["ce_type"]) == ("norce.events.order", "io.norce.OrderReceivedEvent")


@pytest.mark.parametrize(
    ("path", "headers", "reason", "asked"),
    [
        ("/webhooks/norce", {}, "missing_event_type", ""),
        ("/webhooks/norce/", {}, "missing_event_type", ""),
        ("/webhooks/norce/NewEvent", {}, "unknown_event_type", "NewEvent"),
        ("/webhooks/norce/" + "x" * 500, {}, "unknown_event_type", "x" * 200),
        ("/webhooks/norce/%C3%A5%00%0A", {}, "unknown_event_type", "å\x00"),
        (
            "/webhooks/norce/OrderReceivedEvent",
            {"x-norce-event-type": "OrderConfirmedEvent"},
            "contradictory_event_type",
            "OrderReceivedEvent, OrderConfirmedEvent",
        ),
        (
            "/webhooks/norce?norceEventType=A&norceEventType=B",
            {},
            "contradictory_event_type",
            "A, B",
        ),
    ],
)
async def test_a_type_that_is_missing_unknown_or_contradictory_is_quarantined(
    connector: Connector,
    broker: KafkaCluster,
    unique: str,
    path: str,
    headers: dict[str, str],
    reason: str,
    asked: str,
) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(order(unique), path, headers=headers)
        (record,) = await topics.to_the_end()
    assert (answer.status_code, answer.content) == (200, b"")
    assert (record.topic, record.key, record.value) == ("norce.quarantine", None, order(unique))
    noted = headers_of(record)
    assert noted["ce_type"] == "io.norce.quarantined"
    assert (noted["norce_reason"], noted["norce_event_type"]) == (reason, asked)


async def test_an_unknown_type_is_taken_as_free_form_on_the_system_topic_where_that_is_switched_on(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    connector = start_connector(broker.bootstrap_servers, accept_unknown_types="true")
    connector.until_ready()
    async with tail(broker.bootstrap_servers) as topics:
        await connector.post(b'{"ClientId": 7, "New": true}', "/webhooks/norce/BrandNewEvent")
        await connector.post(b'{"ClientId": "7"}', "/webhooks/norce/BrandNewEvent")
        await connector.post(b'{"ClientId": 7}', "/webhooks/norce/Not%20A%20Name")
        taken, *refused = sorted(await topics.to_the_end(), key=lambda record: record.topic)
    assert (taken.topic, taken.key) == ("norce.events.system", b"7")
    assert headers_of(taken)["ce_type"] == "io.norce.BrandNewEvent"
    reasons = {headers_of(record)["norce_reason"] for record in refused}
    assert reasons == {"wrong_fields", "unknown_event_type"}
    assert connector.metric("norce_webhook_requests_total", event_type="unknown") == 3


def test_the_connector_reads_every_topic_name_from_the_catalogue(connector: Connector) -> None:
    document = connector.get("/openapi.json").json()
    named = {operation["post"].get("x-kafka-topic") for operation in document["paths"].values() if "post" in operation}
    assert named - {None} == set(TOPICS)
