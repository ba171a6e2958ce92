"""A new version rolled out under load: Norce never notices."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from confluent_kafka.admin import AdminClient

from pipeline.broker.ports import free_ports
from pipeline.broker.process import Process
from pipeline.run.stack import PROCESSES
from tests.faults.chaos import group_of
from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System
from tests.support.kafka import until

MEMBERS = 2
"""Members of each process, the connector too."""


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


class Member:
    """One of several members of a process: as a pod, with a name, a port and a volume of its own."""

    def __init__(self, system: System, process: str, number: int) -> None:
        self.name = f"{process.replace(' ', '-')}-{number}"
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "pipeline.cli", *process.split()]
        self._log = system.stack.folder / f"{self.name}.log"
        own = {"port": port, "instance_id": self.name, "data_dir": system.stack.folder / self.name}
        group = PROCESSES[process]
        given = {group.variable(name): str(value) for name, value in own.items() if name in group.model_fields}
        self._environment = {**system.stack.environment, **given}
        self._process: Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the end of the block, whatever was restarted in it."""
        try:
            await self.start()
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = Process(self._command, self._log, environment=self._environment)
        assert await until(self._ready, bool, tries=1200) == "ready", f"{self.name}: {self.log_tail()}"

    async def stop(self) -> int | None:
        """Ask it to end as Kubernetes does; returns its exit code."""
        assert self._process is not None
        await self._process.terminate(40)
        return self._process.returncode

    def log_tail(self) -> str:
        """The end of what it has written."""
        assert self._process is not None
        return self._process.log_tail()

    async def _ready(self) -> str | None:
        assert self._process is not None
        if self._process.returncode is not None:
            return "ended"
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
                return "ready" if answer.status == 200 else None
        except aiohttp.ClientError:
            return None


async def roll_out(members: Sequence[Member], number: int) -> None:
    """Restart the members of one process, one after the other, each when the one before is ready."""
    for member in members:
        assert await member.stop() == 0, f"{member.name} at restart {number}: {member.log_tail()}"
        await member.start()


def at_work(system: System, process: str) -> set[str]:
    """The members of the process's group that have partitions."""
    client = AdminClient({"bootstrap.servers": system.servers})
    (answer,) = client.describe_consumer_groups([str(group_of(system.stack, process))], request_timeout=10).values()
    return {member.group_instance_id for member in answer.result().members if member.assignment.topic_partitions}


async def rolled_out(make_system: MakeSystem, restarts: int, rate: int) -> None:
    """Roll out so many times under load, every process at once as ``kubectl apply`` does, and judge what came of it."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/webhooks/norce"
    system = await make_system(**{**ENDLESS, "NORCE_SIMULATOR_WEBHOOK_URL": url, "NORCE_SIMULATOR_RATE": rate})
    members = {process: [Member(system, process, number) for number in range(MEMBERS)] for process in ALL}
    everybody = [member for each in members.values() for member in each]
    async with AsyncExitStack() as running:
        await running.enter_async_context(Balancer(*(each.url for each in members["webhook"])).serve(port))
        async with asyncio.TaskGroup() as starts:
            for member in everybody:
                starts.create_task(running.enter_async_context(member.running()))
        for process in ALL[1:]:
            names = {member.name for member in members[process]}
            await until(lambda: asyncio.to_thread(at_work, system, process), names.__eq__)  # noqa: B023
        await system.start("simulator")
        for number in range(restarts):
            async with asyncio.TaskGroup() as rollouts:  # when one fails, the others start nothing any more
                for each in members.values():
                    rollouts.create_task(roll_out(each, number))
        verdict = await drained_and_judged(system)
    assert verdict.good, verdict.as_json()
    assert verdict.orders > 0
    assert set((await system.norce())["events"]["attempts"]) == {"200"}


@pytest.mark.timeout(300)
async def test_a_rollout_under_load_fails_no_request_and_loses_nothing(make_system: MakeSystem) -> None:
    await rolled_out(make_system, restarts=1, rate=10)


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_ten_rollouts_under_load_fail_no_request_and_lose_nothing(make_system: MakeSystem) -> None:
    await rolled_out(make_system, restarts=10, rate=30)
