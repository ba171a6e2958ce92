"""Questions to the workers, each sent to the one that has the partition.

Workers are found by their addresses: a name may stand for many, as that of a headless service does. Which partitions
each has is asked when it is not known, or no longer true; nobody else has to be told of a rebalance.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from pipeline.partitions import home
from pipeline.query.errors import NoWorker, PartitionMoving
from pipeline.query.tables import Hits, Owned, Row, Rows

TRIES = 2
"""A partition may have moved since its worker was asked; then all are asked again, once."""

T = TypeVar("T")
Parameters = list[tuple[str, str | int | float | bool | None]]


class Workers:
    """Reads tables across workers. A context manager.

    Arguments:
        addresses: base URLs, such as ``http://worker:8081``.
        timeout: seconds for one answer of a worker.
    """

    def __init__(self, addresses: Sequence[str], timeout: float) -> None:
        self._addresses = tuple(addresses)
        self._client = httpx.AsyncClient(timeout=timeout)
        self._owners: dict[int, str] = {}
        self._partitions = 0
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def partition_of(self, key: str) -> int:
        """Raises ``NoWorker``."""
        return home(key.encode(), await self.partitions())

    async def partitions(self) -> int:
        """How many there are in all. Raises ``NoWorker``."""
        if not self._partitions:
            await self._find({})
        return self._partitions

    async def read(self, partition: int, table: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist. Raises ``NoWorker``, ``PartitionMoving``."""
        wanted: Parameters = [("key", key.hex()) for key in keys]
        return dict((await self._ask(partition, f"/tables/{table}/{partition}", wanted, Rows)).rows)

    async def rows(
        self, partition: int, table: str, *, begin: bytes = b"", prefix: bytes = b"", limit: int = 100
    ) -> Rows:
        """Rows in the order of their keys. Raises ``NoWorker``, ``PartitionMoving``."""
        wanted: Parameters = [("begin", begin.hex()), ("prefix", prefix.hex()), ("limit", str(limit))]
        return await self._ask(partition, f"/tables/{table}/{partition}", wanted, Rows)

    async def all_rows(self, table: str, prefix: bytes, limit: int) -> list[Row]:
        """Rows of all partitions whose keys start with a prefix, ``limit`` of each. Raises like ``rows``."""
        numbers = range(await self.partitions())
        found = await asyncio.gather(*(self._all_of(n, table, prefix, limit) for n in numbers))
        return [row for rows in found for row in rows]

    async def _all_of(self, partition: int, table: str, prefix: bytes, limit: int) -> list[Row]:
        """One answer of a worker has so many rows at most, whatever is asked for."""
        rows: list[Row] = []
        begin: bytes | None = b""
        while begin is not None and len(rows) < limit:
            answer = await self.rows(partition, table, begin=begin, prefix=prefix, limit=limit - len(rows))
            rows += answer.rows
            begin = answer.more
        return rows

    async def search(self, text: str) -> tuple[list[Hits], set[int]]:
        """What every worker finds, and the partitions that nobody looked through. Raises ``NoWorker``."""
        await self._find(self._owners)
        found = await asyncio.gather(
            *(self._get(url, "/search", [("text", text)], Hits) for url in set(self._owners.values())),
            return_exceptions=True,
        )
        hits = [each for each in found if isinstance(each, Hits)]
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, httpx.HTTPError):
                raise each
        return hits, set(range(self._partitions)) - {number for each in hits for number in each.partitions}

    async def _ask(self, partition: int, path: str, query: Parameters, of: type[T]) -> T:
        for _ in range(TRIES):
            known = dict(self._owners)
            url = known.get(partition)
            if url is not None:
                try:
                    return await self._get(url, path, query, of)
                except httpx.TransportError:
                    pass
                except httpx.HTTPStatusError as error:
                    if error.response.status_code != httpx.codes.MISDIRECTED_REQUEST:
                        raise
            await self._find(known)
        raise PartitionMoving([partition])

    async def _get(self, url: str, path: str, query: Parameters, of: type[T]) -> T:
        answer = await self._client.get(url + path, params=query)
        return msgspec.msgpack.decode(answer.raise_for_status().content, type=of)

    async def _find(self, known: dict[int, str]) -> None:
        """Ask every worker for its partitions, unless somebody else has done so since ``known`` was true."""
        async with self._asking:
            if self._owners and self._owners != known:
                return
            urls = [url for found in await asyncio.gather(*map(resolved, self._addresses)) for url in found]
            answers = await asyncio.gather(
                *(self._get(url, "/tables", [], Owned) for url in urls), return_exceptions=True
            )
            owned = {url: each for url, each in zip(urls, answers, strict=True) if isinstance(each, Owned)}
            if not owned:
                raise NoWorker(self._addresses)
            self._partitions = max(each.of for each in owned.values())
            self._owners = {number: url for url, each in owned.items() for number in each.partitions}


async def resolved(address: str) -> list[str]:
    """The base URL of every process that an address stands for; itself if its name is not known."""
    url = httpx.URL(address)
    try:
        found: list[Any] = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port or 80, type=socket.SOCK_STREAM
        )
    except socket.gaierror:
        return [address]
    return sorted({str(url.copy_with(host=sockaddr[0])).rstrip("/") for *_, sockaddr in found})
