"""Questions to workers, asked of peers on sockets that answer as a worker's port does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from pipeline.query.tables import MAX_ROWS, PACKED, Hits, Owned, Row, Rows
from pipeline.query.workers import Workers

PREFIX = b"s"
STORED = [(b"s%05d" % number, b"value") for number in range(2 * MAX_ROWS + 7)]


@asynccontextmanager
async def worker(rows: list[Row], *, of: int) -> AsyncIterator[str]:
    """A worker that has partition 0 of some, and no more rows in one answer than a worker gives; its base URL."""

    def packed(content: msgspec.Struct) -> web.Response:
        return web.Response(body=msgspec.msgpack.encode(content), content_type=PACKED)

    async def owned(request: web.Request) -> web.Response:
        return packed(Owned("norce-orders", (0,), of))

    async def table(request: web.Request) -> web.Response:
        prefix, begin = (bytes.fromhex(request.query[name]) for name in ("prefix", "begin"))
        limit = min(int(request.query["limit"]), MAX_ROWS)
        found = [row for row in rows if row[0] >= max(prefix, begin)]
        return packed(Rows(tuple(found[:limit]), found[limit][0] if len(found) > limit else None))

    async def search(request: web.Request) -> web.Response:
        return packed(Hits((), (0,), False))

    app = web.Application()
    app.add_routes(
        [web.get("/tables", owned), web.get("/tables/{table}/{partition}", table), web.get("/search", search)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("limit", [1, MAX_ROWS, MAX_ROWS + 1, 10 * MAX_ROWS])
async def test_all_rows_are_had_however_few_one_answer_has(limit: int) -> None:
    async with worker(STORED, of=1) as url, Workers([url], 10.0) as workers:
        assert await workers.all_rows("alerts", PREFIX, limit) == STORED[:limit]


async def test_an_order_that_was_not_looked_for_everywhere_is_not_called_unknown() -> None:
    for of, code, says in (
        (2, 3, "SearchIncomplete: nobody was not found, but not every worker"),
        (1, 1, "NoSuchThing"),
    ):
        async with worker([], of=of) as url:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pipeline.cli", "order", "nobody"),
                env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "NORCE_CONSOLE_WORKERS": f'["{url}"]'},
                stderr=asyncio.subprocess.PIPE,
            )
            _, err = await process.communicate()
            assert (process.returncode, says in err.decode()) == (code, True), err.decode()
