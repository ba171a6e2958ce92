"""``norce-pipeline order`` against running workers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline import topics
from tests.pipeline.system import System
from tests.query.conftest import ODD_ORDER, Api, newest
from tests.support.commands import run_command

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def command(system: System, *arguments: str, **environment: str) -> tuple[int, str, str]:
    words = ["order", *arguments]
    done = await asyncio.to_thread(run_command, words, {**system.stack.environment, **environment})
    return done.returncode, done.stdout, done.stderr


async def paid_order(system: System) -> tuple[str, dict[str, Any]]:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    return next((key, order) for key, order in orders.items() if order["payments"] and order["status"] == "delivered")


async def test_an_order_is_shown_by_its_number_as_the_api_has_it(system: System, api: Api) -> None:
    key, order = await paid_order(system)
    code, out, err = await command(system, order["order_no"], "--json")
    assert (code, err.strip()) == (0, "")
    document = json.loads(out)
    assert (document["key"], document["record"]["status"], document["complete"]) == (key, "delivered", True)
    assert document["timeline"] == (await api.found(f"/orders/{key}/timeline"))["entries"]


async def test_people_read_what_happened_line_by_line(system: System) -> None:
    key, order = await paid_order(system)
    code, out, _ = await command(system, key)
    assert code == 0
    assert out.startswith(f"order {key}, partition ")
    for word in ("OrderReceivedEvent", "OrderPaymentReceivedEvent", "Update for Connect", "Norce took it"):
        assert word in out
    assert order["payments"][0]["payment_code"] in out


async def test_an_order_with_an_odd_reference_is_found_by_it(system: System) -> None:
    code, out, _ = await command(system, ODD_ORDER["ClientOrderRef"])
    assert code == 0
    assert f"order 101:1012:{ODD_ORDER['ClientOrderRef']}, partition" in out


async def test_an_order_that_is_not_there_and_workers_that_are_not_there_are_named(system: System) -> None:
    code, _, err = await command(system, "no-such-order")
    assert (code, err) == (1, "error: NoSuchThing: nothing is known of an order with the reference no-such-order\n")
    away = json.dumps(["http://127.0.0.1:9"])
    code, _, err = await command(system, "any", NORCE_CONSOLE_WORKERS=away)
    assert (code, err) == (3, "error: NoWorker: no worker answers at http://127.0.0.1:9\n")
