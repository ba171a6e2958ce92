"""A configuration counts as altered when the broker tells the new value, not when its controller has taken it.

A broker that lags behind its controller cannot be had at will, so what it tells is told here by hand.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka.admin import ConfigEntry, ConfigResource

from pipeline import topic_configuration
from pipeline.settings import KafkaSettings
from pipeline.topic_configuration import ConfigurationNotSeen, Difference

SHORTER = Difference("norce.quarantine", "retention.ms", wanted="7", found="28")


class Lagging:
    """What a broker tells of ``retention.ms``, look by look; the last value for ever."""

    def __init__(self, *told: str) -> None:
        self.told = list(told)
        self.taken: list[str] = []

    def incremental_alter_configs(self, resources: list[ConfigResource], **_: Any) -> dict[ConfigResource, Future[Any]]:
        self.taken += [resource.name for resource in resources]
        return {resource: _done(None) for resource in resources}

    def describe_configs(self, resources: list[ConfigResource], **_: Any) -> dict[ConfigResource, Future[Any]]:
        value = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        return {resource: _done({"retention.ms": ConfigEntry("retention.ms", value)}) for resource in resources}


def _done(value: Any) -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_result(value)
    return answer


async def test_an_update_is_done_when_the_broker_tells_the_new_value(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Lagging("28", "28", "7")
    monkeypatch.setattr(topic_configuration, "AdminClient", lambda _: broker)
    await topic_configuration.update(KafkaSettings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9"), [SHORTER])
    assert broker.taken == ["norce.quarantine"]
    assert broker.told == ["7"]


async def test_a_broker_that_goes_on_telling_the_old_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_configuration, "AdminClient", lambda _: Lagging("28"))
    with pytest.raises(ConfigurationNotSeen, match=r"norce\.quarantine: retention\.ms is 28, the catalogue says 7"):
        await topic_configuration.update(
            KafkaSettings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", request_timeout=0.2), [SHORTER]
        )
