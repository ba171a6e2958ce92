"""A new version rolled out ten times under load: Norce never notices."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from pipeline.broker.ports import free_ports
from pipeline.broker.process import Process
from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import until

RESTARTS = 10


class Balancer:
    """As much of a load balancer as a rollout needs: a request that one connector does not take goes to the other."""

    def __init__(self, *urls: str) -> None:
        self._urls = list(urls)
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body, session = await request.read(), self._session
        assert session is not None
        self._urls.append(self._urls.pop(0))
        for url in tuple(self._urls):
            try:
                async with session.post(url + request.path, data=body, headers=dict(request.headers)) as answer:
                    if answer.status != 503:
                        return web.Response(status=answer.status, body=await answer.read())
            except aiohttp.ClientError:
                continue
        return web.Response(status=503)

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        async with aiohttp.ClientSession() as self._session:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            try:
                yield
            finally:
                await runner.cleanup()


class Second:
    """A second connector."""

    def __init__(self, system: System) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._log = system.stack.folder / "second-webhook.log"
        self._environment = {**system.stack.environment, "NORCE_WEBHOOK_PORT": str(port)}
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-m", "pipeline.cli", "webhook"]
        self._process = Process(command, self._log, environment=self._environment)
        await until(self._ready, bool, tries=600)

    async def stop(self) -> int | None:
        """Ask it to end; returns its exit code."""
        assert self._process is not None
        await self._process.terminate(40)
        return self._process.returncode

    async def _ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_ten_rolling_restarts_under_load_fail_no_request_and_lose_nothing(make_system: MakeSystem) -> None:
    (port,) = free_ports(1)
    system = await make_system(**ENDLESS, NORCE_SIMULATOR_WEBHOOK_URL=f"http://127.0.0.1:{port}/webhooks/norce")
    await system.start(*ALL)
    second = Second(system)
    async with Balancer(system.stack.url("webhook"), second.url).serve(port):
        await second.start()
        await system.start("simulator")
        for number in range(RESTARTS):
            for name in ALL:
                assert await system.stop(name) == 0, f"{name} at restart {number}"
                await system.start(name)
            assert await second.stop() == 0, f"the second connector at restart {number}"
            await second.start()
        verdict = await drained_and_judged(system)
        await second.stop()
    assert verdict.good, verdict.as_json()
    assert set((await system.norce())["events"]["attempts"]) == {"200"}
