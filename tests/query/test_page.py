"""The requests and commands that docs/operating.md shows."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from typing import Any

import pytest

from pipeline import topics
from tests.docs.markdown import blocks, commands
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


async def test_the_commands_on_the_page_that_change_nothing_run_as_they_stand(system: System, api: Api) -> None:
    """With the references, keys and places of this pipeline in place of those on the page."""
    orders = await newest(system, topics.ORDERS_ENRICHED)
    number = next(order["order_no"] for order in orders.values() if order["order_no"])
    place = (await api.all("/quarantine"))[0]["id"]
    written = {" ".join(words): shlex.join(words) for words in commands("docs/operating.md")}
    for line, says in LOOKS.items():
        here = written[line].replace("SO11000045", number).replace("3:1042", place)
        code, told = await typed(system, here)
        assert (code, says in told) == (0, True), f"{here}: {code} {told}"


LOOKS = {
    "norce-pipeline audit --from 24h --bucket 1d --settled": "the ledger balances",
    "norce-pipeline dead-letters list": "",
    "norce-pipeline replay --topic norce.events.order --from 24h --dry-run": "events of",
    "norce-pipeline quarantine list": "waiting",
    "norce-pipeline quarantine show 3:1042": "norce.quarantine",
    "norce-pipeline order SO11000045": "OrderReceivedEvent",
    "norce-pipeline doctor": "0 wrong",
    "norce-pipeline settings": "NORCE_WORKER_GROUP",
    "norce-pipeline topics create": "present  norce.updates",
}
"""Commands on the page to a part of what they say."""


async def typed(system: System, line: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipeline.cli", *shlex.split(line)[1:]),
        env=system.stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode()
