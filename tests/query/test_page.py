"""The requests that docs/operating.md shows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline import topics
from tests.docs.markdown import blocks
from tests.pipeline.system import System
from tests.query.conftest import Api, newest

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_the_requests_on_the_page_are_answered(system: System, api: Api) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    key, order = next((key, order) for key, order in orders.items() if order["order_no"])
    (shown,) = [block.text for block in blocks("docs/operating.md") if block.text.startswith('curl "')]
    here = shown.replace("http://127.0.0.1:8084", api.url).replace("SO11000045", order["order_no"])
    searched, timeline = [await run(line) for line in here.replace("103:1032:11000006", key).splitlines()]

    assert key in json.dumps(searched)
    assert (timeline["key"], bool(timeline["entries"])) == (key, True)


async def run(line: str) -> Any:
    """What a request answers."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"{line} --fail --silent", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, line
    return json.loads(out)
