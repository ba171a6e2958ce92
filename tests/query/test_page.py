"""The requests and commands that the pages of the documentation show."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from pipeline import topics
from pipeline.domain.limits import MAX_RECEIPTS
from pipeline.events import EVENT_TYPES
from pipeline.privacy.topics import ORDERS_BUYERS
from tests.docs.markdown import PAGES, blocks, commands
from tests.pipeline.system import System
from tests.query.conftest import Api, newest
from tests.reconciliation.system import Sweeps
from tests.support.kafka import until
from tests.support.terminal import typed

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


LOOKS = {
    "norce-pipeline audit --from 24h --bucket 1d --settled": "the ledger balances",
    "norce-pipeline topics list": "norce.orders.enriched",
    "norce-pipeline dead-letters list": "",
    "norce-pipeline replay --topic norce.events.order --from 24h --dry-run": "events of",
    "norce-pipeline quarantine list": "waiting",
    "norce-pipeline quarantine show 3:1042": "norce.quarantine",
    "norce-pipeline order SO11000045": "OrderReceivedEvent",
    "norce-pipeline doctor": "Checkout takes it",
    "norce-pipeline settings": "NORCE_WORKER_GROUP",
    "norce-pipeline topics create": "present  norce.updates",
    "norce-pipeline audit": "the ledger balances",
    "norce-pipeline doctor --for worker": "ok",
    "norce-pipeline drift-reports list": "no report stands",
    "norce-pipeline quarantine show ID": "norce.quarantine",
    "norce-pipeline reconcile": "orders changed from",
    "norce-pipeline reveal KEY": "email",
}
"""Commands on the pages to a part of what they say."""
LONG = ("audit", "dead-letters", "quarantine", "reconcile", "replay")
"""What may read or wait for long, and shows a bar on the terminal."""


async def given(system: System, line: str) -> tuple[int, str]:
    """Exit code of a command, and what it said and drew."""
    sweeps = {f"NORCE_RECONCILE_{name.upper()}": text for name, text in Sweeps(system).settings.items()}
    done = await typed(line, {**system.stack.environment, **sweeps})
    told = done.out + done.drawn
    assert "━" in done.drawn or line.split()[1] not in LONG, f"{line} does not show how far it is: {told}"
    return done.code, told


@pytest.mark.parametrize("line", LOOKS)
async def test_a_command_on_the_pages_that_changes_nothing_runs_as_it_stands(
    system: System, api: Api, line: str
) -> None:
    """With the references and places of this pipeline in place of those on the page."""
    orders = await newest(system, topics.ORDERS_ENRICHED)
    number = next(order["order_no"] for order in orders.values() if order["order_no"])
    place = (await api.all("/quarantine"))[0]["id"]
    buyer = next(iter(await newest(system, ORDERS_BUYERS)))
    code, told = await given(
        system, here := filled_in(line, {"SO11000045": number, "3:1042": place, "ID": place, "KEY": buyer})
    )
    assert (code, LOOKS[line] in told) == (0, True), f"{here}: {code} {told}"


@pytest.mark.parametrize("command", ["audit", "dead-letters list", "reconcile"])
async def test_for_programs_nothing_is_said_of_how_far_it_is(system: System, command: str) -> None:
    sweeps = {f"NORCE_RECONCILE_{name.upper()}": text for name, text in Sweeps(system).settings.items()}
    done = await typed(f"norce-pipeline {command} --json", {**system.stack.environment, **sweeps})

    assert json.loads(done.out) is not None
    assert re.findall(r"━|reading norce|comparing", done.drawn) == []


@pytest.mark.timeout(600)  # seconds; there are many of them, and each is a process
async def test_the_commands_on_the_page_that_act_run_as_they_stand(system: System, api: Api) -> None:
    """On a key that is parked for a limit, a paid order and what is in quarantine; yes is said when asked."""
    orders = await newest(system, topics.ORDERS_ENRICHED)
    paid = next(key for key, order in orders.items() if order["payments"])
    await system.post("orderreceivedevent", ClientId="no number")
    parked = {"ClientId": 103, "ApplicationId": 1032, "ClientOrderRef": "flooded", "Source": "WEB"}
    for _ in range(MAX_RECEIPTS + 2):  # the first one over the limit parks the key, and one waits behind it
        await system.post("orderconfirmedevent", **parked, OrderId=77002, OrderNo="SO-flooded")
    await until(lambda: api.found("/dead-letters"), lambda page: page["items"])
    waiting = await api.all("/quarantine")
    place, told = waiting[0]["id"], json.dumps(waiting)
    misnamed = next(name for name in EVENT_TYPES if name not in told and name.startswith("SupplierSku"))
    await system.post(misnamed, ClientId=103, ApplicationId=1032, ClientOrderRef="misnamed", Source="WEB")
    wrong = []
    for line, (expected, says) in ACTS.items():
        key = paid if "replay" in line else "103:1032:flooded"
        places = {"103:1032:11000006": key, "KEY": key, "3:1042": place, "WRONG": misnamed}
        here = filled_in(line, {**places, **PLACEHOLDERS})
        code, told = await given(system, here)
        if (code, says in told) != (expected, True):
            wrong.append((here, code, told[-300:]))
    assert wrong == []
    assert (await api.found("/dead-letters"))["items"] == []


def filled_in(line: str, values: Mapping[str, str]) -> str:
    """A command as it is typed, with what is there in place of what the pages name as an example or in capitals."""
    (words, *_) = [words for page in PAGES for words in commands(page) if " ".join(words) == line]
    return shlex.join(
        [values.get(f"{before} {word}", values.get(word, word)) for before, word in pairwise(("", *words))]
    )


PLACEHOLDERS = {
    "TYPE": "OrderReceivedEvent",
    "RIGHT": "OrderReceivedEvent",
    "--email ...": "nobody@example.com",
    "--phone ...": "0700 000000",
}
ACTS = {
    "norce-pipeline dead-letters show 103:1032:11000006": (0, "StateLimitExceeded"),
    "norce-pipeline dead-letters release 103:1032:11000006": (1, "still cannot be folded"),
    "norce-pipeline dead-letters drop 103:1032:11000006 --reason …": (0, "a later event cannot be folded"),
    "norce-pipeline dead-letters show KEY": (0, "StateLimitExceeded"),
    "norce-pipeline dead-letters release KEY": (1, "still cannot be folded"),
    "norce-pipeline dead-letters drop KEY --reason why": (0, "dropped"),
    "norce-pipeline replay --topic norce.events.order --partition 3 --from 1200 --to 1300": (1, "NothingSelected"),
    "norce-pipeline replay --order 103:1032:11000006 --target connect --force": (0, "connect"),
    "norce-pipeline replay --type OrderDeliveredEvent --from 2026-11-01 --to 2026-11-02 --reason other Info codes": (
        1,
        "NothingSelected",
    ),
    "norce-pipeline quarantine retry --all --type OrderReceivedEvent --reason wrong_fields --dry-run": (
        1,
        "wrong_fields",
    ),
    "norce-pipeline quarantine retry 3:1042 --as OrderReceivedEvent": (1, "refused"),
    "norce-pipeline quarantine retry --all --type TYPE": (1, "refused"),
    "norce-pipeline quarantine retry --all --type WRONG --as RIGHT": (0, "retried"),
    "norce-pipeline forget --email ... --phone ...": (0, "no data key was held for that person"),
    "norce-pipeline send OrderReceivedEvent": (0, "taken (200): OrderReceivedEvent on norce.events.order"),
}
"""Commands on the page to their exit code and a part of what they say. Nothing of the named days is there."""
