"""Whatever happens to Kafka: never a 2xx for what is not there, an answer before Norce hangs up, and a way back."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from pipeline import topics
from pipeline.broker import KafkaCluster
from tests.support.kafka import configure_topic
from tests.webhook.conftest import StartConnector
from tests.webhook.support import NORCE_TIMEOUT, Connector, kafka_settings, order, tail


def is_our_trouble(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


async def until_taken(connector: Connector, body: bytes) -> None:
    """Post as Norce does, again and again, until it is taken. Every other answer on the way is 503."""
    async with asyncio.timeout(60):
        while (answer := await connector.post(body)).status_code != 200:
            assert is_our_trouble(answer)
            await asyncio.sleep(0.1)


async def test_with_a_broker_that_hangs_the_answer_is_503_before_norce_hangs_up_and_all_is_well_after_it(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers)
    connector.until_ready()
    assert (await connector.post(order(unique))).status_code == 200
    async with tail(fragile_broker.bootstrap_servers) as seen:
        fragile_broker.pause_node(1)
        async with connector.client(timeout=NORCE_TIMEOUT) as client:
            asked = [
                client.post("/webhooks/norce/OrderReceivedEvent", content=order(f"{unique}-{n}")) for n in range(20)
            ]
            asked += [client.post("/webhooks/norce/OrderReceivedEvent", content=b"bad") for _ in range(5)]
            answers = await asyncio.gather(*asked)
        assert all(is_our_trouble(answer) for answer in answers)
        assert {answer.json()["error"] for answer in answers} == {"not_acknowledged"}
        assert connector.get("/readyz").status_code == 503
        fragile_broker.resume_node(1)
        for number in range(20):
            await until_taken(connector, order(f"{unique}-{number}"))
        await seen.values(*(order(f"{unique}-{number}") for number in range(20)))
    connector.until_ready()


async def test_while_the_only_broker_is_away_the_answer_is_503_and_what_was_taken_is_there_after_it(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers)
    connector.until_ready()
    taken: list[bytes] = []

    async def post(number: int) -> None:
        body = order(f"{unique}-{number}")
        answer = await connector.post(body)
        assert answer.status_code == 200 or is_our_trouble(answer)
        if answer.status_code == 200:
            taken.append(body)

    await post(0)
    async with tail(fragile_broker.bootstrap_servers, "norce.events.order") as seen:
        before = len(taken)
        posting = [asyncio.create_task(post(number)) for number in range(1, 50)]
        await fragile_broker.kill_node(1)
        await asyncio.gather(*posting, post(50))
        assert len(taken) < before + 50
        await fragile_broker.start_node(1)
        await until_taken(connector, order(f"{unique}-last"))
        records = await seen.values(*taken[before:], order(f"{unique}-last"))
    assert {record.topic for record in records} == {"norce.events.order"}


async def test_a_connector_that_starts_before_its_broker_says_so_and_works_once_the_broker_is_there(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    await fragile_broker.stop_node(1)
    connector = start_connector(fragile_broker.bootstrap_servers)
    assert connector.get("/livez").status_code == 200
    connector.process.until_output("kafka is unreachable")
    ready = connector.get("/readyz")
    assert ready.status_code == 503
    assert fragile_broker.bootstrap_servers in ready.json()["troubles"][0]
    assert is_our_trouble(await connector.post(order(unique)))
    await fragile_broker.start_node(1)
    connector.until_ready()
    async with tail(fragile_broker.bootstrap_servers) as seen:
        assert (await connector.post(order(unique))).status_code == 200
        assert [record.value for record in await seen.to_the_end()] == [order(unique)]


async def test_a_connector_that_is_killed_before_kafka_has_the_event_has_answered_nothing_and_the_retry_lands(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers)
    connector.until_ready()
    async with tail(fragile_broker.bootstrap_servers) as seen:
        fragile_broker.pause_node(1)
        posted = asyncio.create_task(connector.post(order(unique)))
        await connector.until("norce_webhook_unacknowledged", lambda value: value == 1)
        connector.process.kill()
        with pytest.raises(httpx.TransportError):
            await posted
        fragile_broker.resume_node(1)
        connector.start()
        await until_taken(connector, order(unique))
        await seen.values(order(unique))


async def test_a_connector_that_is_killed_between_kafkas_acknowledgement_and_its_answer_gets_the_retry_and_takes_it(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers)
    connector.until_ready()
    assert (await connector.post(order(unique))).status_code == 200
    async with tail(fragile_broker.bootstrap_servers) as seen:
        fragile_broker.pause_node(1)
        posted = asyncio.create_task(connector.post(order(unique), timeout=60))
        await connector.until("norce_webhook_unacknowledged", lambda value: value == 1)
        connector.process.signal(signal.SIGSTOP)  # it has sent the record and will never see the acknowledgement
        fragile_broker.resume_node(1)
        await seen.values(order(unique))
        connector.process.kill()
        with pytest.raises(httpx.TransportError):
            await posted
        connector.start()
        await until_taken(connector, order(unique))
        records = await seen.until(lambda records: len(records) == 2)
    assert {(record.key, record.value) for record in records} == {(f"1:2:{unique}".encode(), order(unique))}


async def test_beyond_the_requests_in_flight_the_answer_is_503_at_once(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers, max_in_flight="2")
    connector.until_ready()
    fragile_broker.pause_node(1)
    held = [asyncio.create_task(connector.post(order(f"{unique}-{number}"))) for number in range(2)]
    await connector.until("norce_webhook_in_flight", lambda value: value == 2)
    refused = await connector.post(order(unique))
    assert is_our_trouble(refused)
    assert refused.json()["error"] == "overloaded"
    assert not any(task.done() for task in held)
    fragile_broker.resume_node(1)
    await asyncio.gather(*held)
    await until_taken(connector, order(unique))


async def test_a_record_that_the_broker_refuses_is_answered_503_and_does_not_spoil_the_ones_after_it(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    """aiokafka's idempotent producer alone has every later record of the partition refused as out of order."""
    small = b'{"ClientId": 1, "JobId": 5, "StatusId": 2}'
    large = small[:-1] + b', "Padding": "' + b"x" * 3000 + b'"}'
    await configure_topic(broker.bootstrap_servers, "norce.events.system", {"max.message.bytes": "2000"})
    connector = start_connector(broker.bootstrap_servers)
    connector.until_ready()
    for _ in range(3):
        assert (await connector.post(small, "/webhooks/norce/JobCompletedEvent")).status_code == 200
        refused = await connector.post(large, "/webhooks/norce/JobCompletedEvent")
        assert is_our_trouble(refused)
    await configure_topic(broker.bootstrap_servers, "norce.events.system", {"max.message.bytes": "1048588"})
    assert (await connector.post(large, "/webhooks/norce/JobCompletedEvent")).status_code == 200


async def test_records_that_are_stuck_are_dropped_with_their_producer(
    fragile_broker: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fragile_broker.bootstrap_servers, kafka_request_timeout="0.5", produce_timeout="0.5")
    connector.until_ready()
    fragile_broker.pause_node(1)
    assert is_our_trouble(await connector.post(order(unique)))
    connector.process.until_output("kafka producer is replaced")
    await connector.until("norce_webhook_unacknowledged", lambda value: value == 0)  # given up, not kept for later
    assert is_our_trouble(await connector.post(order(unique)))
    fragile_broker.resume_node(1)
    connector.until_ready()
    assert (await connector.post(order(unique))).status_code == 200
    assert connector.metric("norce_webhook_producers_total") >= 2


async def test_missing_topics_are_named_by_readyz_and_answered_503(
    fresh_kafka: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    connector = start_connector(fresh_kafka.bootstrap_servers, produce_timeout="1")
    connector.process.until_output("connected to kafka")
    assert is_our_trouble(await connector.post(order(unique)))
    ready = connector.get("/readyz")
    assert ready.status_code == 503
    assert "topic norce.events.order does not exist" in ready.json()["troubles"]
    await topics.create(kafka_settings(fresh_kafka.bootstrap_servers), topics.PUBLIC)
    connector.until_ready()
    # A broker tells of a new topic a moment before it can write to each of its hundreds of new partitions.
    await until_taken(connector, order(unique))


async def test_with_one_of_three_brokers_lost_no_sender_notices_and_with_two_lost_nothing_is_promised(
    kafka_cluster: KafkaCluster, start_connector: StartConnector, unique: str
) -> None:
    servers = kafka_cluster.bootstrap_servers
    await topics.create(kafka_settings(servers, replicas=3), topics.PUBLIC)
    connector = start_connector(servers)
    # How long the brokers take to find new leaders is theirs and the machine's: it gives them all the time they need.
    patient = start_connector(servers, produce_timeout="60", kafka_request_timeout="60")
    connector.until_ready()
    patient.until_ready()
    taken: list[bytes] = []

    async def post(client: httpx.AsyncClient, reference: str) -> int:
        body = order(f"{unique}-{reference}")
        answer = await client.post("/webhooks/norce/OrderReceivedEvent", content=body)
        if answer.status_code == 200:
            taken.append(body)
        return answer.status_code

    async with tail(servers, "norce.events.order") as seen:
        async with patient.client(timeout=90) as client:
            posting = [asyncio.create_task(post(client, f"one-{number}")) for number in range(100)]
            await kafka_cluster.kill_node(1)
            assert set(await asyncio.gather(*posting)) == {200}
        async with connector.client() as client:
            assert {await post(client, f"after-{number}") for number in range(20)} == {200}
            await kafka_cluster.kill_node(2)
            assert set(await asyncio.gather(*(post(client, f"two-{number}") for number in range(20)))) == {503}
            assert connector.get("/readyz").status_code == 503
        await kafka_cluster.repair()
        await until_taken(connector, order(f"{unique}-last"))
        await seen.values(*taken)
    connector.until_ready()
