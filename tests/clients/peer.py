"""The other end: an HTTP/1.1 server on a socket of its own that answers, or misbehaves, as a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Received:
    """One request as it came in. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """A complete answer; ``body`` other than bytes is sent as JSON. ``after`` is a moment to wait for first."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: asyncio.Event | None = None


@dataclass(frozen=True)
class Hang:
    """No answer at all, for as long as the client waits."""


@dataclass(frozen=True)
class Trickle:
    """A good beginning, then a byte at a time, without end. ``in_headers``: already the headers trickle."""

    interval: float = 0.01
    in_headers: bool = False


@dataclass(frozen=True)
class Reset:
    """The connection is torn down: before any answer, or in the middle of the body of a 200."""

    in_body: bool = False


Behaviour = Reply | Hang | Trickle | Reset
Handler = Callable[[Received], Behaviour]


class Peer:
    """Serves on 127.0.0.1. Answers what ``script`` lists, one request after the other, then what ``handler`` says."""

    def __init__(self, handler: Handler | None = None) -> None:
        self.handler: Handler = handler or (lambda _: Reply())
        self.received: list[Received] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self._script: list[Behaviour] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def script(self, *behaviours: Behaviour) -> None:
        """What to do with the next requests, one each."""
        self._script += behaviours

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await _read(reader)) is not None:
                self.received.append(received)
                self.in_flight += 1
                self.in_flight_max = max(self.in_flight_max, self.in_flight)
                try:
                    behaviour = self._script.pop(0) if self._script else self.handler(received)
                    await _behave(behaviour, reader, writer)
                finally:
                    self.in_flight -= 1
        except ConnectionError:
            pass  # the client hung up, as many tests want it to
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body, head + body)


async def _behave(behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match behaviour:
        case Reply(status, body, headers, after):
            if after is not None:
                await after.wait()
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        case Hang():
            await reader.read()  # until the client hangs up
        case Trickle(interval, in_headers):
            writer.write(b"HTTP/1.1 200 OK\r\n" + (b"x: " if in_headers else b"content-length: 1000000\r\n\r\n"))
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(interval)
        case Reset(in_body):
            if in_body:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"a" * 10)
                await writer.drain()
            writer.transport.abort()
            raise ConnectionResetError
