"""Processes killed with no warning: nothing is lost, nothing is counted twice, Norce is told the newest state."""

from pipeline import topics
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL

SCENARIO = {
    "NORCE_SIMULATOR_ORDERS": 120,
    "NORCE_SIMULATOR_RATE": 120,
    "NORCE_SIMULATOR_DUPLICATES": 0.1,
    "NORCE_SIMULATOR_REORDERING": 0.2,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_SIMULATOR_LATENCY": 0.02,
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
    "NORCE_CONNECT_INSTANCE_ID": "connect-0",
    "NORCE_CHECKOUT_INSTANCE_ID": "checkout-0",
}


async def test_a_worker_and_then_everything_killed_in_mid_flight_leave_the_state_that_the_raw_topics_give(
    make_system: MakeSystem,
) -> None:
    system = await make_system(**SCENARIO)
    await system.start(*ALL, "simulator")
    for share, names in ((0.15, ("worker",)), (0.4, ALL), (0.7, ("worker",))):
        await system.until(lambda seen: seen.taken > share)  # noqa: B023
        for name in names:
            await system.kill(name)
        await system.start(*names)
    await system.until_done()
    assert await system.differences() == []
    assert await system.failed_checks() == []
    assert await system.records(topics.DEAD_LETTERS) == []


async def test_sinks_killed_in_mid_call_leave_norce_with_the_newest_state(make_system: MakeSystem) -> None:
    system = await make_system(**{**SCENARIO, "NORCE_SIMULATOR_RATE": 20})
    await system.start(*ALL, "simulator")
    for sink in ("connect", "checkout", "connect", "checkout"):
        await system.knobs(script=[{"kind": "hang", "service": sink, "times": 3}])
        await system.until_hanging(sink)
        await system.kill(f"sink {sink}")
        await system.knobs(clear_script=True, paused=True)  # else all is sent before the last one is killed
        await system.start(f"sink {sink}")
        await system.knobs(paused=False)
    await system.until_done()
    assert await system.differences() == []
    assert await system.failed_checks() == []


async def test_a_connector_killed_before_the_acknowledgement_loses_no_event(make_system: MakeSystem) -> None:
    system = await make_system(**{**SCENARIO, "NORCE_SIMULATOR_ORDERS": 80, "NORCE_SIMULATOR_RATE": 30})
    await system.start(*ALL, "simulator")
    for share in (0.2, 0.6):
        await system.until(lambda seen: seen.taken > share)  # noqa: B023
        await system.kill("webhook")
        await system.start("webhook")
    await system.until_done()
    state = await system.norce()
    assert state["events"]["retried"] > 0
    assert await system.differences() == []
    assert await system.failed_checks() == []
