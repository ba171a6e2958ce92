"""The simulator as a process of its own."""

import asyncio
import signal

import structlog
import uvloop

from connectors.simulator.deliveries import Fate
from connectors.simulator.simulator import Simulator
from pipeline.settings import SimulatorSettings

_PROGRESS_EVERY = 10.0  # seconds between two log lines on how far the scenario is

log = structlog.get_logger()


def serve(settings: SimulatorSettings) -> int:
    """Run until SIGTERM or SIGINT, or with ``exit_when_done`` until the scenario is over.

    Returns 0; or 1 where the scenario is over and Norce gave an event up.

    Raises:
        AddressInUse: another process listens on the port.
    """
    return uvloop.run(_serve(settings))


async def _serve(settings: SimulatorSettings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(settings) as simulator:
        over = await _until_stopped(simulator, stop)
    log.info("simulator.stopped")
    return 1 if over and settings.exit_when_done and simulator.deliveries.fates[Fate.DEAD] else 0


async def _until_stopped(simulator: Simulator, stop: asyncio.Event) -> bool:
    """Whether the scenario was over before the stop."""
    reporting = asyncio.create_task(_report(simulator))
    stopping = asyncio.create_task(stop.wait())
    finishing = asyncio.create_task(simulator.finished())
    try:
        await asyncio.wait((stopping, finishing), return_when=asyncio.FIRST_COMPLETED)
        if not finishing.done():
            return False
        finishing.result()
        log.info("simulator.scenario_over", **_progress(simulator))
        if not simulator.settings.exit_when_done:
            await stop.wait()
        return True
    finally:
        for task in (reporting, stopping, finishing):
            task.cancel()


async def _report(simulator: Simulator) -> None:
    while not simulator.is_finished:
        await asyncio.sleep(_PROGRESS_EVERY)
        log.info("simulator.progress", **_progress(simulator))


def _progress(simulator: Simulator) -> dict[str, int]:
    deliveries = simulator.deliveries
    fates = {fate.value: deliveries.fates[fate] for fate in Fate}
    return {"to_send": deliveries.to_send, "created": deliveries.created, "retried": deliveries.retries, **fates}
