"""The parts of the publisher: how long records wait, a producer that fails for good, a broker list of nonsense."""

from __future__ import annotations

import asyncio

from aiokafka.errors import OutOfOrderSequenceNumber
from pydantic import SecretStr

from connectors.webhook.event_types import Requested
from connectors.webhook.metrics import Metrics
from connectors.webhook.outstanding import Outstanding
from connectors.webhook.publisher import Publisher
from connectors.webhook.records import Record, RecordFactory
from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.settings import WebhookSettings
from tests.support.kafka import until
from tests.webhook.conftest import StartConnector
from tests.webhook.support import kafka_settings, order


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_while_no_record_waits_there_is_neither_wait_nor_silence() -> None:
    clock = Clock()
    outstanding = Outstanding(clock)
    clock.now = 1000.0
    assert (len(outstanding), outstanding.longest_wait, outstanding.silence) == (0, 0.0, 0.0)


def test_wait_and_silence_begin_with_the_oldest_record_and_any_acknowledgement_ends_the_silence() -> None:
    clock = Clock()
    outstanding = Outstanding(clock)
    old = outstanding.add()
    clock.now = 5.0
    young = outstanding.add()
    clock.now = 7.0
    assert (len(outstanding), outstanding.longest_wait, outstanding.silence) == (2, 7.0, 7.0)
    outstanding.settle(young, stored=True)
    clock.now = 8.0
    assert (len(outstanding), outstanding.longest_wait, outstanding.silence) == (1, 8.0, 1.0)
    outstanding.settle(old, stored=False)
    assert (len(outstanding), outstanding.silence) == (0, 0.0)


def test_a_record_that_is_given_up_does_not_end_the_silence() -> None:
    clock = Clock()
    outstanding = Outstanding(clock)
    given_up, _ = outstanding.add(), outstanding.add()
    clock.now = 3.0
    outstanding.settle(given_up, stored=False)
    assert outstanding.silence == 3.0


async def test_a_producer_that_cannot_go_on_is_replaced_and_records_are_taken_again(broker: KafkaCluster) -> None:
    kafka, metrics = kafka_settings(broker.bootstrap_servers), Metrics()
    await topics.create(kafka, topics.PUBLIC)
    publisher = Publisher(kafka, WebhookSettings(secrets=[SecretStr("s")]), ["norce.events.order"], metrics)
    running = asyncio.create_task(publisher.run())
    factory = RecordFactory("/test")
    try:
        await publisher.publish(received(factory))
        first = publisher._producer
        assert first is not None
        first._on_failed(first, OutOfOrderSequenceNumber("made up"))
        await until(publisher.troubles, lambda found: publisher._producer not in (None, first) and not found)
        await publisher.publish(received(factory))
        assert publisher.unacknowledged == 0
        assert metrics.registry.get_sample_value("norce_webhook_producers_total") == 2
    finally:
        running.cancel()
        await publisher.close(1.0)


def received(factory: RecordFactory) -> Record:
    return factory.accepted(Requested(("OrderReceivedEvent",)), order("78"), accept_unknown=False)


async def test_a_broker_list_that_makes_no_sense_is_reported_and_does_not_end_the_connector(
    start_connector: StartConnector,
) -> None:
    connector = start_connector("nonsense:port:list")
    connector.process.until_output("kafka is unreachable")
    assert "nonsense:port:list" in connector.get("/readyz").json()["troubles"][0]
    assert (await connector.post(order("77"))).status_code == 503
    assert await asyncio.to_thread(connector.process.terminate) == 0
