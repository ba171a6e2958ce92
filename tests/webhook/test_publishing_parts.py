"""The parts of the publisher that need no broker: how long records wait, and a broker list that makes no sense."""

from __future__ import annotations

import asyncio

from connectors.webhook.outstanding import Outstanding
from tests.webhook.conftest import StartConnector
from tests.webhook.support import order


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_while_no_record_waits_there_is_neither_wait_nor_silence() -> None:
    clock = Clock()
    outstanding = Outstanding(clock)
    clock.now = 1000.0
    assert (len(outstanding), outstanding.longest_wait, outstanding.silence) == (0, 0.0, 0.0)


async def test_the_longest_wait_is_that_of_the_oldest_record_and_any_acknowledgement_ends_the_silence() -> None:
    clock = Clock()
    outstanding = Outstanding(clock)
    loop = asyncio.get_running_loop()
    old, young = loop.create_future(), loop.create_future()
    outstanding.add(old)
    clock.now = 5.0
    outstanding.add(young)
    clock.now = 7.0
    assert (outstanding.longest_wait, outstanding.silence) == (7.0, 7.0)
    young.set_result(None)
    assert outstanding.settle(young) is None
    clock.now = 8.0
    assert (outstanding.longest_wait, outstanding.silence) == (8.0, 1.0)
    old.set_exception(RuntimeError("refused"))
    assert isinstance(outstanding.settle(old), RuntimeError)
    assert (len(outstanding), outstanding.silence) == (0, 0.0)


async def test_a_broker_list_that_makes_no_sense_is_reported_and_does_not_end_the_connector(
    start_connector: StartConnector,
) -> None:
    connector = start_connector("nonsense:port:list")
    connector.process.until_output("kafka is unreachable")
    assert "nonsense:port:list" in connector.get("/readyz").json()["troubles"][0]
    assert (await connector.post(order("77"))).status_code == 503
    assert await asyncio.to_thread(connector.process.terminate) == 0
