"""What a process finds out about its topics before it starts, at a bad moment."""

from __future__ import annotations

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
