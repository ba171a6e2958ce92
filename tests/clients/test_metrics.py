"""What can be seen of the calls."""

import pytest
from prometheus_client import CollectorRegistry

from connectors.connect import ConnectClient
from connectors.norce import CircuitOpen, NorceMetrics, Rejected
from tests.clients.norce import Norce
from tests.clients.peer import Peer, Reply
from tests.clients.support import PatientClock, api_for, at_most, connect_settings


async def test_calls_repeats_and_their_time_are_counted(peer: Peer) -> None:
    registry = CollectorRegistry()
    peer.script(Reply(500), Reply(200), Reply(400))
    async with api_for(peer, measure=NorceMetrics(registry)) as caller:
        await caller.call()
        with pytest.raises(Rejected):
            await caller.call()
    labels = {"api": "connect", "operation": "Test"}
    assert registry.get_sample_value("norce_client_calls_total", {**labels, "outcome": "ok"}) == 1
    assert registry.get_sample_value("norce_client_calls_total", {**labels, "outcome": "Rejected"}) == 1
    assert registry.get_sample_value("norce_client_retries_total", {**labels, "reason": "500"}) == 1
    assert registry.get_sample_value("norce_client_attempt_seconds_count", labels) == 3
    assert registry.get_sample_value("norce_client_in_flight", {"api": "connect"}) == 0


async def test_the_breaker_shows(peer: Peer, clock: PatientClock) -> None:
    registry = CollectorRegistry()
    peer.script(Reply(500))
    async with api_for(peer, clock, breaker_failures=1, measure=NorceMetrics(registry)) as caller:
        assert registry.get_sample_value("norce_client_breaker_state", {"api": "connect"}) == 0
        with pytest.raises(CircuitOpen):
            await caller.call()
        assert registry.get_sample_value("norce_client_breaker_state", {"api": "connect"}) == 2
        clock.now += 15
        await caller.call()
        assert registry.get_sample_value("norce_client_breaker_state", {"api": "connect"}) == 0


async def test_token_requests_are_counted(peer: Peer, clock: PatientClock) -> None:
    registry = CollectorRegistry()
    norce = Norce(peer)
    norce.identity_answers = [Reply(429)]
    settings = connect_settings(peer.url)
    async with ConnectClient(settings, clock=clock, uniform=at_most, metrics=NorceMetrics(registry)) as client:
        await client.send_order_status("1", None, [], "Confirmed", application_id=1)
    assert registry.get_sample_value("norce_client_token_requests_total", {"outcome": "failed"}) == 1
    assert registry.get_sample_value("norce_client_token_requests_total", {"outcome": "ok"}) == 1


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    NorceMetrics(registry)
    families = list(registry.collect())
    assert len(families) == 6
    assert all(family.name.startswith("norce_client_") and len(family.documentation) > 30 for family in families)
