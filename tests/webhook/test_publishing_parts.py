"""The parts of the publisher: how long records wait, a producer that fails for good, a broker list of nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.errors import OutOfOrderSequenceNumber
from pydantic import SecretStr

from connectors.webhook.crowd import CROWD, Crowd
from connectors.webhook.event_types import Requested
from connectors.webhook.metrics import Metrics
from connectors.webhook.outstanding import Outstanding
from connectors.webhook.patience import Patience
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


async def test_the_records_of_a_few_go_at_once() -> None:
    joining = Crowd().join(CROWD - 1)
    with pytest.raises(StopIteration):  # it has nothing to wait for
        joining.send(None)


async def test_the_records_of_many_go_on_together_and_one_that_is_given_up_holds_nobody() -> None:
    crowd, gone = Crowd(), []

    async def join(number: int) -> None:
        await crowd.join(CROWD)
        gone.append(number)

    joining = [asyncio.create_task(join(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert gone == []
    joining[1].cancel()
    await joining[0]
    assert (gone, joining[2].done()) == ([0, 2], True)
    await join(3)
    assert gone == [0, 2, 3]


@pytest_asyncio.fixture
async def patience() -> AsyncIterator[Patience]:
    """Of no time at all: whoever waits is late at the next look."""
    patience = Patience(0.0)
    running = asyncio.create_task(patience.run())
    yield patience
    running.cancel()


async def test_whoever_waits_too_long_is_told_so_and_can_go_on(patience: Patience) -> None:
    with pytest.raises(TimeoutError), patience.wait():
        await asyncio.Event().wait()
    await asyncio.sleep(0)  # a cancellation that was left over would end this
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_is_over_is_not_ended(patience: Patience) -> None:
    with patience.wait():
        pass
    with pytest.raises(TimeoutError), patience.wait():  # a look has passed
        await asyncio.Event().wait()


async def test_an_error_of_what_is_waited_for_is_not_hidden(patience: Patience) -> None:
    with pytest.raises(ZeroDivisionError), patience.wait():
        raise ZeroDivisionError


async def test_a_task_that_is_cancelled_while_it_waits_ends_cancelled_and_not_late() -> None:
    patience = Patience(3600.0)

    async def wait() -> None:
        with patience.wait():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


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
