"""Reads a request's body, within limits of size and time."""

from __future__ import annotations

import asyncio

from connectors.webhook.asgi import Receive, Scope, header_values
from connectors.webhook.errors import BodyTooLarge, SenderGone, UploadTimeout


async def read_body(scope: Scope, receive: Receive, max_bytes: int, seconds: float) -> bytes:
    """The whole body, as it came. all of it has to arrive within ``seconds``.

    Raises:
        BodyTooLarge, UploadTimeout, SenderGone
    """
    if _declared_length(scope) > max_bytes:
        raise BodyTooLarge
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, max_bytes)
    except TimeoutError:
        raise UploadTimeout from None


async def _collect(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise SenderGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _declared_length(scope: Scope) -> int:
    values = header_values(scope, b"content-length")
    return int(values[0]) if values and values[0].isdigit() else 0
