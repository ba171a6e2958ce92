"""The few things of RSGI, granian's own interface, that the app is made of.

A request costs one turn of the event loop for its body and none for its answer. ASGI, in which each is a message that
is waited for, takes a third more time for the whole request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol


class RequestHeaders(Protocol):
    """Names are in lower case. What is not visible ASCII is left out by the server."""

    def get_all(self, name: str, /) -> list[str]: ...

    def items(self) -> list[tuple[str, str]]: ...


class Request(Protocol):
    """One request's line and headers."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str:
        """Decoded."""

    @property
    def query_string(self) -> str: ...

    @property
    def scheme(self) -> str: ...

    @property
    def headers(self) -> RequestHeaders: ...


class Exchange(Protocol):
    """Its body, and the way of the answer."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body, however long. Raises ``RuntimeError`` if the sender hangs up before its end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, with an empty one at its end, and two where the sender hung up."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes, /) -> None: ...


def headers_of(request: Request) -> Iterator[tuple[str, bytes]]:
    """All headers, as those of a Kafka record are."""
    return ((name, value.encode()) for name, value in request.headers.items())
