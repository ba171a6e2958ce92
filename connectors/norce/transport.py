"""Sending one request to Norce and reading its answer: the only module that knows the HTTP library.

It neither repeats nor judges; that is ``connectors.norce.api``.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Self
from urllib.parse import quote, quote_plus, urlencode

import aiohttp
import certifi
import orjson
from yarl import URL

from connectors.norce.errors import Attempt, NotConfigured
from connectors.norce.traces import call_span, note_call, note_status
from pipeline import tracing

ANSWER_MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of an answer that are read; what comes after is cut off."""

EXCERPT_MAX_BYTES = 2048
"""Most bytes of an answer that are kept with an error."""

KEEP_ALIVE = 30.0
"""Seconds an idle connection is kept."""

_HERE = ("127.0.0.1", "localhost", "::1")
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
    """A pool of connections to one API, which stay open for a while when idle.

    A request that changes nothing when it comes twice (not a POST) is sent once more, at once, if the idle connection
    that it was to take had been closed meanwhile.

    Proxies and certificate authorities come from the environment, as usual; addresses of this machine are never
    reached through a proxy. Redirects are not followed: the token would go with them.
    """

    def __init__(self, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

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
            url, content = _written(request, headers)
        except ValueError as error:
            # Its text may hold the header at fault, and with it the token.
            raise _cannot_be_written(request, error) from None
        try:
            async with asyncio.timeout(within):
                return await self._exchange(request, url, headers, content)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise _cannot_be_written(request, error) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise Lost(Loss.CONNECT, f"no connection: {str(error) or type(error).__name__}") from None
        except TimeoutError:
            raise Lost(Loss.TIMEOUT, f"no complete answer within {within:.3g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: of the answer, as all else is checked
            raise Lost(Loss.BROKEN, f"the connection broke ({type(error).__name__})") from None

    async def _exchange(self, request: Request, url: URL, headers: dict[str, str], content: bytes | None) -> Answer:
        async with self._session(url).request(
            request.method, url, headers=headers, data=content, allow_redirects=False
        ) as response:
            body, cut = await _read(response)
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, body, cut)

    def _session(self, url: URL) -> aiohttp.ClientSession:
        proxied = url.host not in _HERE
        session = self._sessions.get(proxied)
        if session is None:
            session = self._sessions[proxied] = aiohttp.ClientSession(
                # The number of requests is bounded by the caller.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=_trusted()),
                # Only for opening a connection. All else is under the total timeout of ``exchange``: a limit per read
                # never ends an answer that trickles.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "norce-pipeline"},
                cookie_jar=aiohttp.DummyCookieJar(),
                # Nothing packed was asked for, and a small packed answer can be huge.
                auto_decompress=False,
                trust_env=proxied,
            )
        return session


@cache
def _trusted() -> ssl.SSLContext:
    """The certificate authorities, read once per process: that takes a while, and every client needs them.

    Those of ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` if one is set.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    return ssl.create_default_context(cafile=certifi.where())


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            response.close()
            return bytes(body[:ANSWER_MAX_BYTES]), True
    return bytes(body), False


def _written(request: Request, headers: dict[str, str]) -> tuple[URL, bytes | None]:
    """The address and the body, of which the headers are told. Raises ``ValueError``."""
    url = URL(request.target, encoded=True)  # as it was written: nothing in it is quoted once more
    if not url.host or url.port is None:
        raise ValueError("an address")
    if "Authorization" in headers:
        url = url.with_user(None)  # the token says who calls
    content: bytes | None = None
    if request.body is not None:
        content = orjson.dumps(request.body)
        headers["Content-Type"] = "application/json"
    elif request.form is not None:
        content = urlencode(request.form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise ValueError("a header")  # what else one may hold, servers read as they like
    return url, content


def _cannot_be_written(request: Request, error: Exception) -> NotConfigured:
    return NotConfigured(
        f"the request cannot be written ({type(error).__name__}): check URL, tokens and header values",
        attempt=_unsent(request),
    )


def _unsent(request: Request) -> Attempt:
    return Attempt(
        request.operation, request.method, request.target, request.body, None, "", "the request cannot be written"
    )
