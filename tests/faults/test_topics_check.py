"""What a process finds out about its topics before it starts, at a bad moment."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from pipeline import topics
from pipeline.broker import Broker
from pipeline.connecting import BrokerUnreachable
from pipeline.settings import KafkaSettings


async def test_a_broker_that_lists_no_brokers_yet_is_named_as_unreachable(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node that is just being registered again answers; the client then knows of none to ask."""
    monkeypatch.setattr(AIOKafkaClient, "get_random_node", lambda self: None)
    settings = KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})
    with pytest.raises(BrokerUnreachable, match="NodeNotReadyError"):
        await topics.partition_counts(settings)


async def test_a_process_waits_for_a_broker_that_is_just_being_registered(
    kafka: Broker, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To end would only have it started once more a moment later."""
    known: Any = AIOKafkaClient.get_random_node
    asked = count(1)

    def knows_from_the_fourth_time_on(client: AIOKafkaClient) -> Any:
        return known(client) if next(asked) > 3 else None

    monkeypatch.setattr(AIOKafkaClient, "get_random_node", knows_from_the_fourth_time_on)
    settings = KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})
    spec = topics.TopicSpec(unique, "of a test", "any", "any")
    with pytest.raises(topics.TopicMissing, match=unique):
        await topics.check(settings, [spec])
    assert next(asked) > 4


async def test_a_process_does_not_wait_for_ever_for_a_broker_that_lists_none(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AIOKafkaClient, "get_random_node", lambda self: None)
    given = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "request_timeout": 1}
    with pytest.raises(BrokerUnreachable, match="NodeNotReadyError"):
        await topics.check(KafkaSettings.model_validate(given), [])
