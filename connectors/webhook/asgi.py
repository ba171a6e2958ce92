"""The few ASGI things that the app is made of: what comes in, and how an answer goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """All values of a header; ``name`` in lower case."""
    return [value for key, value in scope["headers"] if key == name]


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    content_type: bytes = b"application/json",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send one whole answer."""
    start = [(b"content-length", b"%d" % len(body)), *headers]
    if body:
        start.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
