"""Latency from the POST of an event to its enriched record, and to Norce's receipt of the update that follows.

All processes run as in production. Posts come at fixed times, whether answers are late or not, and a latency begins
when the post was due: a pipeline that stalls cannot hide it by slowing its callers down.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.events import Event, events
from benchmarks.figures import Run, WrongResult
from benchmarks.ingress.load import PATH, quantile
from benchmarks.kafka import Ends, Kafka
from pipeline import topics
from pipeline.broker.ports import free_ports
from pipeline.events import TOPICS
from pipeline.run.stack import PROCESSES, Stack, fresh_folder

SHARES: Mapping[str, float] = {"a tenth": 0.1, "a half": 0.5, "nine tenths": 0.9}
SETTLE_SECONDS = 60.0
WARM_UP_SECONDS = 3.0
INTERLEAVED = 200
Arrivals = dict[str, tuple[float, float]]
"""By event id when it arrived, and when its post was due."""
FASTEST: Mapping[str, str] = {
    **{f"NORCE_{name}RATE": "1000000" for name in ("CONNECT_", "CONNECT_QUERY_", "CHECKOUT_")},
    "NORCE_SIMULATOR_ORDERS": "0",
    "NORCE_SIMULATOR_FAILURES": "0",
    "NORCE_SIMULATOR_LATENCY": "0",
    "NORCE_LOG_LEVEL": "warning",
}


class EndToEnd:
    """One stack for each rate, warm before it is timed. The sustainable rate is what all of it, Norce's receipt of the
    updates included, gets through when it is posted to without pause.
    """

    name = "end to end"
    contestants: Sequence[str] = tuple(SHARES)

    def __init__(self, kafka: Kafka, folder: Path, seconds: float) -> None:
        self._kafka = kafka
        self._folder = folder
        self._seconds = seconds
        self._sustainable = 0.0
        self._posted = 0

    async def prepare(self) -> None:
        """Find the sustainable rate."""
        async with self._stack() as stack:
            await self._post(stack, None, WARM_UP_SECONDS)
            posted, told, known = await self._post(stack, None, self._seconds)
            # From the first post to the last enriched record and call: what waits at the end was not sustained.
            end = max(at for at, _ in [*known.values(), *told])
            self._sustainable = posted / (end - min(due for _, due in known.values()))

    async def run(self, contestant: str, repetition: int) -> Run:
        """Post at a share of the sustainable rate. Raises ``WrongResult``."""
        rate = SHARES[contestant] * self._sustainable
        async with self._stack() as stack:
            await self._post(stack, rate, WARM_UP_SECONDS)
            _, told, known = await self._post(stack, rate, self._seconds)
        values = {"rate": rate}
        for name, latencies in (
            ("enriched", [at - due for at, due in known.values()]),
            ("norce", [at - due for at, due in told]),
        ):
            ordered = sorted(latencies)
            for label, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
                values[f"{name}_{label}_ms"] = quantile(ordered, share) * 1000
        return Run(self.name, contestant, repetition, values)

    @asynccontextmanager
    async def _stack(self) -> AsyncIterator[Stack]:
        ports = dict(zip(PROCESSES, free_ports(len(PROCESSES)), strict=True))
        settings = {group.variable("port"): str(ports[name]) for name, group in PROCESSES.items()}
        names = await self._group_names()
        stack = Stack(self._kafka.broker, fresh_folder(self._folder / "stack"), {**settings, **names, **FASTEST})
        stack.environment["NORCE_SIMULATOR_WEBHOOK_URL"] = ""
        await stack.create_topics()
        await self._kafka.empty(*TOPICS, topics.UPDATES)
        try:
            await stack.start("simulator", "webhook", "worker", "sink connect")
            yield stack
        finally:
            await stack.stop()

    async def _group_names(self) -> dict[str, str]:
        unique = f"{time.time_ns()}"
        return {
            f"NORCE_{name}_GROUP": f"bench-e2e-{name.lower()}-{unique}" for name in ("WORKER", "CONNECT", "CHECKOUT")
        }

    async def _post(
        self, stack: Stack, rate: float | None, seconds: float
    ) -> tuple[int, list[tuple[float, float]], Arrivals]:
        """Post for a while, wait until all is through; returns when each event was due and when it arrived where."""
        start = await self._kafka.ends(topics.ORDERS_ENRICHED)
        before = await self._kafka.ends(*TOPICS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as client:
            chosen = self._events(rate, seconds)
            for event in chosen:
                if event.type == "OrderReceivedEvent":
                    await _add_order(client, stack, event)
            due = await _deliver(client, stack, chosen, rate, seconds)
            offset = await _simulator_began(client, stack)
            known = await self._until_enriched(start, before, due)
            told = await _until_told(client, stack, offset, due, chosen)
        return len(due), told, known

    def _events(self, rate: float | None, seconds: float) -> list[Event]:
        """Events that no post of this run had before."""
        count = int((rate or 4000.0) * seconds)
        # Orders from elsewhere are known to Norce by a number that an update may not name yet, and a second partial
        # delivery has the body of the first: neither could be told apart here.
        distinct: dict[bytes, Event] = {}
        for event in events(count, first=self._posted, interleaved=INTERLEAVED):
            if event.key.rpartition(":")[2].isdecimal() and event.key.count(":") == 2:
                distinct.setdefault(event.body, event)
        found = list(islice(distinct.values(), count))
        self._posted += count
        return found

    async def _until_enriched(self, start: Ends, before: Ends, due: Mapping[bytes, float]) -> Arrivals:
        ids = {}
        async for record in self._kafka.read(before):
            if record.value in due:
                ids[dict(record.headers)["ce_id"].decode()] = due[record.value]
        if len(ids) != len(due):
            raise WrongResult(f"{len(due)} were answered 200 and {len(ids)} are on the event topics")
        known: dict[str, tuple[float, float]] = {}
        end = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < end:
            known = {}
            async for record in self._kafka.read(start):
                for entry in orjson.loads(record.value)["timeline"]:
                    event_id = entry["event_id"]
                    if event_id in ids and event_id not in known:
                        known[event_id] = (record.timestamp / 1000, ids[event_id])
            if len(known) >= 0.9 * len(ids):  # repeats of one fact have no entry of their own
                return known
            await asyncio.sleep(0.5)
        raise WrongResult(f"only {len(known)} of {len(ids)} events reached an enriched record")


async def _add_order(client: aiohttp.ClientSession, stack: Stack, event: Event) -> None:
    body = orjson.loads(event.body)
    order = {
        "client_id": body["ClientId"],
        "application_id": body["ApplicationId"],
        "client_order_ref": body["ClientOrderRef"],
        "order_id": abs(hash(body["ClientOrderRef"])) % 2**40,
    }
    async with client.post(f"{stack.url('simulator')}/simulator/orders", json=order) as answer:
        answer.raise_for_status()


async def _deliver(
    client: aiohttp.ClientSession, stack: Stack, chosen: Sequence[Event], rate: float | None, seconds: float
) -> dict[bytes, float]:
    """Post the events at their times, or without pause for so many seconds; returns when each was due, by its body."""
    url = stack.url("webhook") + PATH
    headers = {"x-norce-secret": stack.environment["NORCE_WEBHOOK_SECRETS"]}
    due: dict[bytes, float] = {}
    slots = asyncio.Semaphore(256 if rate else 64)
    began = time.time()

    async def post(event: Event, at: float) -> None:
        try:
            async with client.post(url + event.type, data=event.body, headers=headers) as answer:
                if answer.status != 200:
                    raise WrongResult(f"a post was answered {answer.status}")
        finally:
            slots.release()
        due[event.body] = at

    async with asyncio.TaskGroup() as group:
        for number, event in enumerate(chosen):
            at = began + number / rate if rate else time.time()
            if at - began > seconds:
                break
            await asyncio.sleep(max(0.0, at - time.time()))
            await slots.acquire()
            group.create_task(post(event, at if rate else time.time()))
    return due


async def _simulator_began(client: aiohttp.ClientSession, stack: Stack) -> float:
    """The wall clock's time at the journal's zero: found by a call that the journal enters."""
    url = stack.url("simulator")
    called = time.time()
    async with client.get(f"{url}/commerce/query/3.0/nothing") as answer:
        await answer.read()
    calls = await _calls(client, stack, None)
    return called - max(float(call["at"]) for call in calls if call["operation"].endswith("/nothing"))


async def _until_told(
    client: aiohttp.ClientSession, stack: Stack, began: float, due: Mapping[bytes, float], chosen: Iterable[Event]
) -> list[tuple[float, float]]:
    """For each payment the first call to Connect about its order after it: a payment always makes an update."""
    payments = [
        (due[event.body], event.key)
        for event in chosen
        if event.type.endswith("PaymentReceivedEvent") and event.body in due
    ]
    found: list[tuple[float, float]] = []
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        calls: dict[str, list[float]] = defaultdict(list)
        for call in await _calls(client, stack, "connect"):
            if call["operation"] == "SendOrderStatus" and call["order"]:
                heapq.heappush(calls[call["order"]], began + call["at"])
        found = []
        for at, key in payments:
            after = [call for call in calls.get(key.split(":", 2)[2], ()) if call >= at]
            if after:
                found.append((min(after), at))
        if len(found) >= 0.95 * len(payments):  # one that says nothing new makes none
            return found
        await asyncio.sleep(1.0)
    raise WrongResult(f"Norce was told of {len(found)} of {len(payments)} payments")


async def _calls(client: aiohttp.ClientSession, stack: Stack, service: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    offset = 0
    while True:
        params: dict[str, str] = {"limit": "1000", "offset": str(offset)} | ({"service": service} if service else {})
        async with client.get(f"{stack.url('simulator')}/simulator/calls", params=params) as answer:
            page = await answer.json()
        found += page["calls"]
        if len(page["calls"]) < 1000:
            return found
        offset = page["calls"][-1]["number"] + 1
