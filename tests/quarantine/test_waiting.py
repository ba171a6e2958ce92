"""What waits in quarantine is counted from the topics themselves, and read on from where the last look ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from connectors.webhook.event_types import Requested
from pipeline.broker import KafkaCluster
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.events import Reason, UnusableBody
from pipeline.quarantine import metrics
from pipeline.quarantine.entries import Row
from pipeline.quarantine.reading import Quarantine
from pipeline.quarantine.retrying import Course, Retrier, Rules, Tried
from pipeline.quarantine.waiting import DAY, UNKNOWN, Waiting, watching
from pipeline.settings import KafkaSettings
from pipeline.topics import QUARANTINE, QUARANTINE_RETRIES
from tests.quarantine.support import FACTORY
from tests.support.kafka import admin, create_topics, delete_before, produce, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = b'{"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "Source": "WEB"}'
USED = (*EVENT_TOPICS, QUARANTINE, QUARANTINE_RETRIES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[KafkaCluster]:
    async with KafkaCluster() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def settings(cluster: KafkaCluster) -> KafkaSettings:
    """Of the broker, with the topics empty."""
    await make_anew(cluster.bootstrap_servers, USED)
    servers = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers}
    return KafkaSettings.model_validate(servers).model_copy(update={"partitions": 1})


async def make_anew(servers: str, names: Sequence[str]) -> None:
    async with admin(servers) as client:
        if there := set(names) & set(await client.list_topics()):
            await client.delete_topics(list(there))
            await until(client.list_topics, lambda left: not there & set(left))
    await create_topics(servers, names, partitions=1, config={"retention.ms": "-1"})


async def put_aside(kafka: KafkaSettings, reason: Reason, days: int, bodies: Sequence[bytes]) -> None:
    """Bodies that a connector refused so many days ago."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for body in bodies:
            refused = FACTORY.quarantined(
                Requested(("OrderRecievedEvent",)), UnusableBody(reason, "so", "Source"), body
            )
            at = int(time.time() - days * DAY) * 1000
            await producer.send_and_wait(refused.topic, refused.value, timestamp_ms=at, headers=refused.headers)


async def retry(kafka: KafkaSettings, place: str, event_type: str) -> Tried:
    """What an operator's retry came to."""
    tried: list[Tried] = []
    async with Quarantine.open(kafka) as source, Retrier.open(kafka, 1 << 20, "operator") as retrier:
        rows, missing = await source.find([place], lambda count: None)
        assert missing == []
        await Course(Rules(event_type=event_type), tried.append, retrier).run(_each(rows))
    return tried[0]


async def _each(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


async def test_a_body_waits_until_it_has_become_an_event_or_is_deleted(settings: KafkaSettings) -> None:
    kept = settings.body_retention_days * DAY
    waiting = Waiting(settings)
    await waiting.look()
    assert (+waiting.counts(), waiting.left()) == ({}, kept)

    await put_aside(settings, Reason.UNKNOWN_EVENT_TYPE, 20, [ORDER, ORDER])
    await put_aside(settings, Reason.NOT_JSON, 3, [b"{"])
    await produce(settings.bootstrap_servers, QUARANTINE, [(b"", b"somebody else's")])
    await waiting.look()
    assert +waiting.counts() == {Reason.UNKNOWN_EVENT_TYPE: 2, Reason.NOT_JSON: 1, UNKNOWN: 1}
    assert waiting.left() == pytest.approx(kept - 20 * DAY, abs=60)

    assert (await retry(settings, "0:0", "JobCompletedEvent")).refusal is not None
    await waiting.look()
    assert waiting.counts()[Reason.UNKNOWN_EVENT_TYPE] == 2, "what is still refused still waits"

    assert (await retry(settings, "0:0", "OrderReceivedEvent")).event is not None
    await waiting.look()
    assert +waiting.counts() == {Reason.UNKNOWN_EVENT_TYPE: 1, Reason.NOT_JSON: 1, UNKNOWN: 1}
    afresh = Waiting(settings)
    await afresh.look()
    assert afresh.counts() == waiting.counts(), "whoever starts now comes to the same"

    await delete_before(settings.bootstrap_servers, QUARANTINE, 0, 2)
    await waiting.look()
    assert +waiting.counts() == {Reason.NOT_JSON: 1, UNKNOWN: 1}
    assert waiting.left() == pytest.approx(kept - 3 * DAY, abs=60)


async def test_topics_that_were_made_anew_are_counted_anew(settings: KafkaSettings) -> None:
    waiting = Waiting(settings)
    await put_aside(settings, Reason.UNKNOWN_EVENT_TYPE, 1, [ORDER, ORDER])
    assert (await retry(settings, "0:0", "OrderReceivedEvent")).event is not None
    await waiting.look()

    await make_anew(settings.bootstrap_servers, (QUARANTINE, QUARANTINE_RETRIES))
    await put_aside(settings, Reason.NOT_JSON, 2, [b"{"])
    await waiting.look()
    assert +waiting.counts() == {Reason.NOT_JSON: 1}


async def test_the_gauges_say_so_and_stay_while_kafka_is_away(
    settings: KafkaSettings, cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.quarantine.waiting.LOOK_SECONDS", 0.1)
    await put_aside(settings, Reason.NOT_JSON, 3, [b"{", b"["])

    async def seen() -> float | None:
        return REGISTRY.get_sample_value("norce_quarantine_waiting", {"reason": "not_json"})

    async with watching(settings.model_copy(update={"request_timeout": 2.0})):
        await until(seen, lambda value: value == 2.0)
        assert metrics.waiting() == 2, "what the console's overview says"
        left = REGISTRY.get_sample_value("norce_quarantine_left_seconds")
        assert left == pytest.approx((settings.body_retention_days - 3) * DAY, abs=60)
        await cluster.kill_node(1)
        looks = 0
        real = Waiting.look

        async def counted(self: Waiting) -> None:
            nonlocal looks
            looks += 1
            await real(self)

        monkeypatch.setattr(Waiting, "look", counted)

        async def looked() -> int:
            return looks

        await until(looked, lambda count: count >= 2)
        assert await seen() == 2.0
        await cluster.start_node(1)
        await put_aside(settings, Reason.NOT_JSON, 3, [b"x"])
        await until(seen, lambda value: value == 3.0)
