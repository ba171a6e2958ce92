"""Who may do what through the console, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline import topics
from tests.pipeline.system import System
from tests.query.conftest import Api, newest
from tests.support.kafka import read_all

pytestmark = pytest.mark.asyncio(loop_scope="package")

ACTIONS = [
    ("/dead-letters/some/release", {"reason": "mended"}),
    ("/dead-letters/some/drop", {"reason": "a test"}),
    ("/quarantine/retry", {"ids": ["0:0"], "reason": "mended"}),
]


@pytest.mark.parametrize(("path", "body"), ACTIONS)
async def test_nobody_acts_without_an_account(api: Api, path: str, body: dict[str, Any]) -> None:
    answer = await api.post(path, **body)
    assert (answer.status_code, answer.json()["error"]) == (401, "NotSignedIn")
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = await api.post(path, token="a guess", **body)
    assert (answer.status_code, answer.json()["message"]) == (401, "the token is nobody's")


async def test_who_asks_is_told_what_the_account_may_do(api: Api) -> None:
    assert await api.found("/me") == {"name": None, "roles": [], "reading_needs_account": False, "accounts": True}
    signed_in = (await api.get("/me", token=api.token)).json()
    assert (signed_in["name"], signed_in["roles"]) == ("local", ["operator", "privacy"])


async def test_personal_values_are_shown_to_the_role_alone_and_who_looked_is_recorded(system: System, api: Api) -> None:
    key = next(iter(await newest(system, "norce.orders.buyers")))
    refused = await api.get(f"/orders/{key}/person")
    assert refused.status_code == 401
    shown = (await api.get(f"/orders/{key}/person", token=api.token)).json()["values"]
    assert shown["email"]
    log = [json.loads(line) for line in system.stack.processes["console"].log.read_text().splitlines()]
    (looked,) = [line for line in log if line.get("action") == "reveal" and "key" in line]
    assert (looked["by"], looked["key"]) == ("local", key)
    assert shown["email"][0] not in system.stack.processes["console"].log.read_text()


async def test_a_body_is_shown_as_it_came_to_the_role_alone_and_who_looked_is_recorded(
    system: System, api: Api
) -> None:
    record = next(one for one in await read_all(system.servers, topics.QUARANTINE) if b"Email" in (one.value or b""))
    place = f"{record.partition}:{record.offset}"
    refused = await api.get(f"/quarantine/{place}/body")
    assert (refused.status_code, refused.json()["error"]) == (401, "NotSignedIn")
    shown = (await api.get(f"/quarantine/{place}/body", token=api.token)).json()["body"]
    assert shown == record.value.decode()
    log = [json.loads(line) for line in system.stack.processes["console"].log.read_text().splitlines()]
    (looked,) = [line for line in log if line.get("quarantine") == place]
    assert (looked["action"], looked["by"]) == ("reveal", "local")


async def test_of_an_order_that_names_nobody_that_is_said(api: Api) -> None:
    answer = await api.get("/orders/1:1:nobody/person", token=api.token)
    assert (answer.status_code, answer.json()["error"]) == (404, "NothingHeld")


async def test_an_operator_retries_what_is_in_quarantine(system: System, api: Api) -> None:
    items = await api.all("/quarantine", limit=50)
    assert items
    answer = await api.post("/quarantine/retry", token=api.token, ids=[items[0]["id"]], reason="a look")
    assert (answer.status_code, answer.json()["published"], answer.json()["refused"]) == (200, 0, 1)
    *_, said = await system.records(topics.QUARANTINE_RETRIES)
    assert (said["by"], said["outcome"]) == ("local", "still_refused")
