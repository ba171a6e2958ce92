"""The load generator: keep-alive connections that each post, wait for the answer and post again.

A program of its own, one event loop and bare sockets, so that it costs a tenth of what a receiver does. What it cost is
reported with every figure. ``python -m benchmarks.ingress.load OPTIONS`` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from benchmarks.events import events

SECRET = "bench-secret"  # noqa: S105 - of processes on the loopback address
PATH = "/webhooks/norce/"


@dataclass
class Options:
    """``ports`` share the connections evenly. Seconds before ``warm`` are over are not timed."""

    ports: list[int]
    connections: int
    warm: float
    seconds: float
    bodies: int = 4000

    def arguments(self) -> tuple[str, ...]:
        return ("-m", "benchmarks.ingress.load", json.dumps(asdict(self)))


def requests(count: int) -> list[bytes]:
    """Whole HTTP requests, each a different event."""
    found = itertools.islice(events(count), count)
    return [
        (
            f"POST {PATH}{event.type} HTTP/1.1\r\nHost: bench\r\nx-norce-secret: {SECRET}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(event.body)}\r\n\r\n"
        ).encode()
        + event.body
        for event in found
    ]


class _Load:
    """What all connections share."""

    def __init__(self, options: Options) -> None:
        self.bodies: Iterator[bytes] = itertools.cycle(requests(options.bodies))
        self.latencies: list[float] = []
        self.answers: Counter[int] = Counter()
        self.timed = False
        self.ending = False
        self.open = options.connections
        self.idle = asyncio.Event()


class _Connection(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._post()

    def _post(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._load.bodies))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + _length(self._buffer[:head]):
            return
        load = self._load
        load.answers[int(self._buffer[9:12])] += 1
        if load.timed:
            load.latencies.append(time.perf_counter() - self._sent)
        self._buffer = b""
        if load.ending:
            self._transport.close()
        else:
            self._post()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.open -= 1
        if not self._load.ending:
            self._load.answers[0] += 1
        if not self._load.open:
            self._load.idle.set()


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def run(options: Options) -> dict[str, object]:
    """Post for a while; returns what came back."""
    loop = asyncio.get_running_loop()
    load = _Load(options)
    ports = itertools.cycle(options.ports)
    for _ in range(options.connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", next(ports))
    await asyncio.sleep(options.warm)
    print("timed", flush=True)
    load.timed, began, cpu = True, time.perf_counter(), time.process_time()
    await asyncio.sleep(options.seconds)
    load.timed, seconds, cpu = False, time.perf_counter() - began, time.process_time() - cpu
    print("over", flush=True)
    load.ending = True
    async with asyncio.timeout(60):
        await load.idle.wait()
    latencies = sorted(load.latencies)
    return {
        "answers": {str(status): count for status, count in load.answers.items()},
        "timed": len(latencies),
        "seconds": seconds,
        "cpu": cpu,
        "p50_ms": quantile(latencies, 0.5) * 1000,
        "p99_ms": quantile(latencies, 0.99) * 1000,
        "worst_ms": quantile(latencies, 1.0) * 1000,
    }


def quantile(ordered: list[float], share: float) -> float:
    """Of sorted values, the smallest that at least ``share`` of them do not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Options(**json.loads(sys.argv[1]))))))
