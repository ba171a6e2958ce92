"""Reads a request's body, within limits of size and time."""

from __future__ import annotations

from connectors.webhook.errors import BodyTooLarge, SenderGone, UploadTimeout
from connectors.webhook.patience import Patience
from connectors.webhook.rsgi import Exchange, Request


async def read_body(request: Request, exchange: Exchange, max_bytes: int, patience: Patience) -> bytes:
    """The whole body, as it came. All of it has to arrive while ``patience`` lasts.

    Raises:
        BodyTooLarge, UploadTimeout, SenderGone
    """
    declared = _declared_length(request)
    if declared is not None and declared > max_bytes:
        raise BodyTooLarge
    try:
        with patience.wait():
            # The server reads no more than was declared. What declares nothing has to be counted.
            return await (_collect(exchange, max_bytes) if declared is None else exchange())
    except TimeoutError:
        raise UploadTimeout from None
    except RuntimeError:
        raise SenderGone from None


async def _collect(exchange: Exchange, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = ends = 0
    async for chunk in exchange:
        size += len(chunk)
        ends += not chunk
        if size > max_bytes:
            raise BodyTooLarge
        chunks.append(chunk)
    if ends > 1:
        raise SenderGone
    return b"".join(chunks)


def _declared_length(request: Request) -> int | None:
    values = request.headers.get_all("content-length")
    return int(values[0]) if values and values[0].isdigit() else None
