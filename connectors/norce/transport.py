"""Sending one request to Norce and reading its answer: the only module that knows the HTTP library.

It neither repeats nor judges; that is ``connectors.norce.api``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Self
from urllib.parse import quote, quote_plus, urlencode

import httpx
import orjson

from connectors.norce.errors import Attempt, NotConfigured
from connectors.norce.traces import call_span, note_call, note_status
from pipeline import tracing

ANSWER_MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of an answer that are read; what comes after is cut off."""

EXCERPT_MAX_BYTES = 2048
"""Most bytes of an answer that are kept with an error."""

KEEP_ALIVE = 30.0
"""Seconds an idle connection is kept."""

_CUT_OUT = b"[secret]"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token. Compared by identity: the same text issued twice is two tokens."""

    value: str = field(repr=False)

    __eq__ = object.__eq__
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``body`` is sent as JSON, ``form`` as an HTML form; a form holds secrets and is not shown."""

    operation: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """The URL with its query."""
        return f"{self.url}?{urlencode(self.query, quote_via=quote, safe='$')}" if self.query else self.url


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, or its first 4 MiB (``cut``). Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False

    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            ValueError: it is none, or was cut off.
        """
        if self.cut:
            raise ValueError(f"longer than {ANSWER_MAX_BYTES} bytes")
        return orjson.loads(self.body)

    def excerpt(self, *secrets: str) -> str:
        """The beginning of the body as text, with secrets cut out: some servers send back what they were sent."""
        body = self.body
        for secret in secrets:
            for written in (secret, quote_plus(secret)):
                body = body.replace(written.encode(), _CUT_OUT)
        return body[:EXCERPT_MAX_BYTES].decode(errors="replace")


class Loss(StrEnum):
    """Why there is no complete answer."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    BROKEN = "broken"


class Lost(Exception):  # not for the callers: turned into NorceError, or tried again
    """There is no complete answer. Whether the request took effect is unknown, except for ``Loss.CONNECT``."""

    def __init__(self, loss: Loss, reason: str) -> None:
        super().__init__(reason)
        self.loss = loss
        self.reason = reason
        self.error_type = loss.value


class Transport:
    """A pool of connections to one API, of which ``connections`` are kept open while idle.

    Proxies and certificate authorities come from the environment, as usual; addresses of this machine are never
    reached through a proxy. Redirects are not followed: the token would go with them.
    """

    def __init__(self, connect_timeout: float, connections: int) -> None:
        self._client = httpx.AsyncClient(
            verify=_trusted(),
            follow_redirects=False,
            # Only for opening a connection. All else is under the total timeout of ``exchange``: a limit per read
            # never ends an answer that trickles.
            timeout=httpx.Timeout(None, connect=connect_timeout),
            # The number of requests is bounded by the caller. A bounded pool (httpcore 1.0) would lose a place for good
            # each time a request is cancelled while it waits for one.
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=connections, keepalive_expiry=KEEP_ALIVE
            ),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "norce-pipeline"},
            mounts={"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def exchange(self, request: Request, *, within: float, token: Token | None = None) -> Answer:
        """Send a request and read the whole answer in so many seconds, from the first byte to the last.

        Raises:
            Lost: no complete answer.
            NotConfigured: the request cannot be written, for example because a token holds a line break.
        """
        headers = dict(request.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"
        with call_span(request.operation, request.method) as span:
            note_call(span, request.operation, request.method, request.url)
            headers.update(tracing.to_norce(span))
            answer = await self._within(request, headers, within)
            note_status(span, answer.status)
        return answer

    async def _within(self, request: Request, headers: dict[str, str], within: float) -> Answer:
        try:
            async with asyncio.timeout(within):
                return await self._exchange(request, headers)
        except TimeoutError:
            raise Lost(Loss.TIMEOUT, f"no complete answer within {within:.3g} s") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise Lost(Loss.CONNECT, f"no connection: {str(error) or type(error).__name__}") from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            # Their text may hold the header at fault, and with it the token.
            raise NotConfigured(
                f"the request cannot be written ({type(error).__name__}): check URL, tokens and header values",
                attempt=_unsent(request),
            ) from None
        except httpx.HTTPError as error:
            raise Lost(Loss.BROKEN, f"the connection broke ({type(error).__name__})") from None

    async def _exchange(self, request: Request, headers: dict[str, str]) -> Answer:
        content = None
        if request.body is not None:
            content = orjson.dumps(request.body)
            headers["Content-Type"] = "application/json"
        async with self._client.stream(
            request.method, request.target, headers=headers, content=content, data=request.form
        ) as response:
            body, cut = await _read(response)
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body, cut)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificate authorities, read once per process: that takes a while, and every client needs them."""
    return httpx.create_ssl_context()


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """The body as sent. It is not unpacked: nothing packed was asked for, and a small packed answer can be huge."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            return bytes(body[:ANSWER_MAX_BYTES]), True
    return bytes(body), False


def _unsent(request: Request) -> Attempt:
    return Attempt(
        request.operation, request.method, request.target, request.body, None, "", "the request cannot be written"
    )
