"""Who may post: the static secret header, and its rotation."""

from __future__ import annotations

import pytest

from connectors.webhook.authentication import SecretHeader
from pipeline.broker import KafkaCluster
from tests.webhook.conftest import StartConnector
from tests.webhook.support import OTHER_SECRET, SECRET, Connector, head, order, raw, tail


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
async def test_every_valid_secret_is_taken(connector: Connector, secret: str) -> None:
    answer = await connector.post(order("77"), headers={"x-norce-secret": secret})
    assert answer.status_code == 200


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), f"{SECRET},{OTHER_SECRET}"])
async def test_a_wrong_secret_is_answered_401_and_leaves_nothing_behind(
    connector: Connector, broker: KafkaCluster, secret: str
) -> None:
    async with tail(broker.bootstrap_servers) as topics:
        answer = await connector.post(order("77"), headers={"x-norce-secret": secret})
        assert await topics.to_the_end() == []
    assert answer.status_code == 401
    assert answer.json()["error"] == "unauthorized"


async def test_a_missing_or_repeated_secret_is_answered_401(connector: Connector) -> None:
    async with connector.client(headers={}) as client:
        missing = await client.post("/webhooks/norce/OrderReceivedEvent", content=order("77"))
        both = [("x-norce-secret", SECRET), ("x-norce-secret", "wrong")]
        twice = await client.post("/webhooks/norce/OrderReceivedEvent", content=order("77"), headers=both)
    assert (missing.status_code, twice.status_code) == (401, 401)


async def test_the_secret_is_checked_before_the_body_is_read(connector: Connector) -> None:
    async with raw(connector.port, head(secret="wrong", content_length=1000)) as connection:
        assert await connection.status() == 401


async def test_the_header_that_carries_the_secret_can_be_named(
    broker: KafkaCluster, start_connector: StartConnector
) -> None:
    connector = start_connector(broker.bootstrap_servers, secret_header="Authorization", secrets="Bearer abc")
    connector.until_ready()
    answer = await connector.post(order("77"), headers={"authorization": "Bearer abc"})
    assert answer.status_code == 200
    assert (await connector.post(order("77"))).status_code == 401


async def test_rotating_the_secret_fails_no_request(broker: KafkaCluster, start_connector: StartConnector) -> None:
    """Both are valid at the receiver first, then the sender changes, then the old one goes."""
    sender = SECRET
    for valid, then in ((SECRET, SECRET), (f"{SECRET},new", "new"), ("new", "new")):
        connector = start_connector(broker.bootstrap_servers, secrets=valid)
        connector.until_ready()
        for secret in (sender, then):
            answer = await connector.post(order("77"), headers={"x-norce-secret": secret})
            assert answer.status_code == 200
        sender = then
        connector.process.kill()


def test_a_secret_is_compared_with_all_valid_ones_whatever_the_first_says(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    header = SecretHeader("X-Secret", ["first", "second", "third"])
    answers = [header.is_valid([value]) for value in ("first", "third", "wrong", "a much longer wrong one")]
    assert answers == [True, True, False, False]
    assert len(compared) == 3 * 4
    assert {len(part) for pair in compared for part in pair} == {32}
