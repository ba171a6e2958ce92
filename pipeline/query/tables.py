"""The tables of a process, read over HTTP on its port, for the pipeline's own processes: values have a private layout.

Reading never disturbs the work for long: what looks at many rows does so in chunks, between which everything else has
its turn, and one search runs at a time. Nothing stays open between two chunks, for the partition may be given up.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import islice
from typing import cast

import msgspec
from aiohttp import web

from pipeline.domain import KINDS, decode
from pipeline.domain.errors import UnreadableState
from pipeline.engine import SliceApp, SliceTable
from pipeline.query.references import references

MAX_ROWS = 1000
"""Rows of one answer."""
MAX_HITS = 50
"""Things that one search finds at most in one process."""
CHUNK = 500
"""Rows looked at before everything else has its turn, some milliseconds of work."""

PACKED = "application/msgpack"
SEARCHED = tuple(kind.table for kind in KINDS.values())

Row = tuple[bytes, bytes]


class Owned(msgspec.Struct, frozen=True):
    """Which partitions of its tables a process may read just now."""

    group: str
    partitions: tuple[int, ...]
    of: int
    """Partitions that there are in all."""


class Rows(msgspec.Struct, frozen=True):
    """Rows of a table in the order of their keys. ``more`` is where the next ones begin, ``None`` after the last."""

    rows: tuple[Row, ...]
    more: bytes | None = None


class Hit(msgspec.Struct, frozen=True):
    """A thing with the reference that was looked for."""

    table: str
    key: bytes
    value: bytes
    matched: str
    """Name of the reference, such as ``order_no``."""


class Hits(msgspec.Struct, frozen=True):
    """What a search of a process came to. ``partitions`` are those that were looked through to their end."""

    hits: tuple[Hit, ...]
    partitions: tuple[int, ...]
    cut: bool
    """Whether there may be more than these."""


_PACK = msgspec.msgpack.Encoder()


class TableRoutes:
    """Adds the routes to a process's port."""

    def __init__(self, app: SliceApp) -> None:
        self._app = app
        self._searching = asyncio.Lock()

    def add(self, router: web.UrlDispatcher) -> None:
        router.add_get("/tables", self._owned)
        router.add_get("/tables/{table}/{partition}", self._rows)
        router.add_get("/search", self._search)

    async def _owned(self, request: web.Request) -> web.Response:
        owned = Owned(str(self._app.conf.id), tuple(self._app.owned()), self._app.conf.topic_partitions)
        return _packed(owned)

    async def _rows(self, request: web.Request) -> web.Response:
        """The rows of the keys ``key``, or those from ``begin`` on whose keys start with ``prefix``. Keys are hex."""
        table, partition = self._table(request.match_info["table"]), _number(request.match_info["partition"])
        if partition not in self._app.owned():
            raise web.HTTPMisdirectedRequest(text=f"partition {partition} is not read here")
        if "key" in request.query:
            keys = [_key(text) for text in request.query.getall("key")]
            return _packed(Rows(tuple(table.read(partition, keys).items())))
        prefix, begin = _key(request.query.get("prefix", "")), _key(request.query.get("begin", ""))
        limit = min(_number(request.query.get("limit", "100")), MAX_ROWS)
        found = list(islice(_from(table, partition, max(prefix, begin), prefix), limit + 1))
        return _packed(Rows(tuple(found[:limit]), found[limit][0] if len(found) > limit else None))

    async def _search(self, request: web.Request) -> web.Response:
        """Things that have ``text`` as their reference."""
        text = request.query.get("text", "")
        if not text:
            raise web.HTTPUnprocessableEntity(text="text is empty")
        async with self._searching:
            search = _Search(self._app, text)
            await search.run()
        return _packed(Hits(tuple(search.hits), tuple(search.searched), search.full))

    def _table(self, name: str) -> SliceTable:
        table = self._app.tables.get(name)
        if not isinstance(table, SliceTable):
            raise web.HTTPNotFound(text=f"there is no table {name}")
        return table


class _Search:
    """Looks at all things of a process. The bytes of a state tell quickly that a reference is not in it."""

    def __init__(self, app: SliceApp, text: str) -> None:
        self._app = app
        self._text = text
        self._pattern = _pattern(text)
        self._ending = text.encode()
        self.hits: list[Hit] = []
        self.searched: list[int] = []

    @property
    def full(self) -> bool:
        return len(self.hits) >= MAX_HITS

    async def run(self) -> None:
        for partition in self._app.owned():
            if all([await self._look(table, partition) for table in SEARCHED]):
                self.searched.append(partition)

    async def _look(self, name: str, partition: int) -> bool:
        """Whether the table was looked through, or enough found."""
        table, begin = cast(SliceTable, self._app.tables[name]), b""
        while not self.full:
            if partition not in self._app.owned():
                return False
            rows = list(islice(_from(table, partition, begin), CHUNK))
            self._take(name, rows)
            if len(rows) < CHUNK:
                return True
            begin = rows[-1][0] + b"\0"
            await asyncio.sleep(0)
        return True

    def _take(self, name: str, rows: list[Row]) -> None:
        find, ending = self._pattern.search, self._ending
        for key, value in rows:
            if (key.endswith(ending) or find(value)) and not self.full:
                matched = _matched(name, key, value, self._text)
                if matched is not None:
                    self.hits.append(Hit(name, key, value, matched))


def _matched(table: str, key: bytes, value: bytes, text: str) -> str | None:
    """The name of the reference by which a thing is what is looked for."""
    try:
        named = references(table, key.decode(), decode(value))
    except (UnreadableState, UnicodeDecodeError):
        return None  # another version of the program wrote it; asked for by its key, that is said
    return next((name for name, reference in named if reference == text), None)


def _pattern(text: str) -> re.Pattern[bytes]:
    """What a state that has the reference must contain: a whole JSON string, or a whole number."""
    quoted = re.escape(msgspec.json.encode(text))
    return re.compile(rb"%s|[\[,:]%s[\],}]" % (quoted, re.escape(text.encode())) if text.isdecimal() else quoted)


def _from(table: SliceTable, partition: int, begin: bytes, prefix: bytes = b"") -> Iterator[Row]:
    for key, value in table.items_of(partition, begin or None):
        if not key.startswith(prefix):
            return
        yield key, value


def _number(text: str) -> int:
    if not text.isdecimal():
        raise web.HTTPUnprocessableEntity(text="a number is wanted")
    return int(text)


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise web.HTTPUnprocessableEntity(text="a key is written in hexadecimal digits") from None


def _packed(content: msgspec.Struct) -> web.Response:
    return web.Response(body=_PACK.encode(content), content_type=PACKED)
