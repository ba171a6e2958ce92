"""Ingress against peers and limits, for several numbers of connections."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any, cast

from benchmarks.bars import FASTAPI, GO, NODE, OURS, PRODUCER, STARLETTE, WITHOUT_KAFKA
from benchmarks.events import TOPICS, events
from benchmarks.figures import Run, WrongResult
from benchmarks.ingress.contestants import command, variables
from benchmarks.ingress.load import Options
from benchmarks.kafka import Ends, Kafka
from benchmarks.processes import HOST, ROOT, Contestant, running
from pipeline.broker.ports import free_ports

WARM_SECONDS = 1.0


class LoadFailed(Exception):
    """The load generator did not get through."""


class Ingress:
    """One number of connections, ``processes`` of each receiver with a port of its own.

    With ``judged``, only the contestants that a quick run judges.
    """

    def __init__(
        self, kafka: Kafka, folder: Path, connections: int, seconds: float, processes: int = 1, judged: bool = False
    ) -> None:
        self.name = f"ingress/{connections} connections"
        self.contestants: Sequence[str] = (OURS, STARLETTE, FASTAPI, NODE, GO, WITHOUT_KAFKA, PRODUCER)
        if judged:
            self.contestants = (OURS, STARLETTE, FASTAPI)
        if processes > 1:
            self.name += f", {processes} processes"
            self.contestants = (OURS, STARLETTE)
        self._kafka = kafka
        self._folder = folder
        self._processes = processes
        self._options = Options([], connections, WARM_SECONDS, seconds)

    async def prepare(self) -> None:
        """Our topics, and a broker that is warm: with one repetition there is no other warm-up."""
        await self._kafka.make_topics()
        await self._load("benchmarks.ingress.bare_producer")

    async def run(self, contestant: str, repetition: int) -> Run:
        """Load one receiver for a while.

        Raises:
            WrongResult, DidNotRun, LoadFailed
        """
        start = await self._kafka.ends(*TOPICS)
        if contestant == PRODUCER:
            found = await self._load("benchmarks.ingress.bare_producer")
            values = _figures(found) | {"cpu_us": found["cpu"] / found["timed"] * 1e6}
            keyed = True
        else:
            values, found = await self._receive(contestant)
            keyed = contestant != WITHOUT_KAFKA
        refused = {status: count for status, count in found["answers"].items() if status != "200"}
        if refused:
            raise WrongResult(f"{contestant} answered {refused}")
        if keyed:
            await self._check(contestant, start, found["answers"]["200"])
        return Run(self.name, contestant, repetition, values)

    async def _receive(self, contestant: str) -> tuple[dict[str, float], dict[str, Any]]:
        self._options.ports = free_ports(self._processes)
        async with AsyncExitStack() as stack:
            servers: list[Contestant] = []
            for port in self._options.ports:
                started = running(
                    f"{contestant} {port}",
                    command(contestant, port),
                    self._folder,
                    {**self._kafka.environment, **variables(port)},
                )
                servers.append(await stack.enter_async_context(started))
            for server, port in zip(servers, self._options.ports, strict=True):
                await server.until_ready(f"http://{HOST}:{port}/readyz")
            return await self._measure(servers)

    async def _measure(self, servers: Sequence[Contestant]) -> tuple[dict[str, float], dict[str, Any]]:
        used: list[tuple[float, float]] = []
        found = await self._load(
            "benchmarks.ingress.load",
            lambda: used.append((sum(server.cpu for server in servers), self._kafka.cpu)),
        )
        values = _figures(found)
        values["cpu_us"] = (used[1][0] - used[0][0]) / found["timed"] * 1e6
        values["broker_cpu_us"] = (used[1][1] - used[0][1]) / found["timed"] * 1e6
        values["load_cpu_us"] = found["cpu"] / found["timed"] * 1e6
        values["memory_mib"] = sum(server.memory for server in servers) / 2**20
        return values, found

    async def _load(self, module: str, mark: Any = None) -> dict[str, Any]:
        arguments = ("-m", module, *self._options.arguments()[2:])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._kafka.environment},
        )
        output, errors = cast(asyncio.StreamReader, process.stdout), cast(asyncio.StreamReader, process.stderr)
        last = b""
        async for line in output:
            if line.strip() in (b"timed", b"over"):
                mark()
            last = line
        if await process.wait():
            raise LoadFailed((await errors.read()).decode()[-3000:])
        answer: dict[str, Any] = json.loads(last)
        return answer

    async def _check(self, contestant: str, start: Ends, taken: int) -> None:
        """Exactly what was answered 200 is on the topics, byte for byte, under the right key and with its headers."""
        posted = {event.body: event for event in islice(events(self._options.bodies), self._options.bodies)}
        ids: Counter[bytes] = Counter()
        count = 0
        async for record in self._kafka.read(start):
            event = posted.get(record.value)
            found = dict(record.headers)
            if (
                event is None
                or record.topic != event.topic
                or record.key != event.key.encode()
                or found.get("ce_type") != b"io.norce." + event.type.encode()
                or not {"ce_id", "ce_time", "ce_source", "ce_specversion"} <= found.keys()
            ):
                raise WrongResult(
                    f"{contestant}: {record.topic} {record.key!r} {record.value!r} is not what was posted"
                )
            ids[found["ce_id"]] += 1
            count += 1
        repeated = len(ids) != count and contestant != PRODUCER  # which sends a fixed set of records over and over
        if count != taken or repeated:
            raise WrongResult(f"{contestant}: {taken} answers of 200, {count} records with {len(ids)} ids")


def _figures(found: dict[str, Any]) -> dict[str, float]:
    rate = found["timed"] / found["seconds"]
    return {"rate": rate, **{name: found[name] for name in ("p50_ms", "p99_ms", "worst_ms")}}
