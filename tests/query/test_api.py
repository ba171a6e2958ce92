"""The query API over a pipeline that has worked through a scenario."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from openapi_spec_validator import validate

from pipeline import topics
from pipeline.domain import KINDS
from pipeline.events import TOPICS as EVENT_TOPICS
from tests.pipeline.system import System
from tests.query.conftest import ODD_ORDER, TROUBLE, Api, newest
from tests.support.kafka import read_all

pytestmark = pytest.mark.asyncio(loop_scope="package")

TABLES = [kind.table for kind in KINDS.values()]


@pytest.mark.parametrize("table", TABLES)
async def test_page_by_page_a_kind_shows_what_its_enriched_topic_has(system: System, api: Api, table: str) -> None:
    items = await api.all(f"/{table}", limit=7)
    assert len({item["key"] for item in items}) == len(items)
    published = await newest(system, topics.ENRICHED[table])
    assert {item["key"]: shown(item["record"]) for item in items} == {k: shown(v) for k, v in published.items()}
    assert table not in ("orders", "products") or items


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """Without what a further delivery of something known changes in the state and not on the topic."""
    return {name: value for name, value in record.items() if name not in ("id", "version")}


async def test_every_order_is_found_by_its_key_with_its_open_alerts(system: System, api: Api) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    alerts = [one for one in (await newest(system, topics.ALERTS)).values() if one["state"] == "open"]
    assert f"101:1012:{ODD_ORDER['ClientOrderRef']}" in orders
    for key, record in orders.items():
        found = await api.found(f"/orders/{quote(key, safe='')}")
        assert (found["kind"], found["key"], found["parked"]) == ("orders", key, None)
        assert shown(found["record"]) == shown(record)
        mine = sorted(one["id"] for one in alerts if (one["subject"], one["subject_key"]) == ("order", key))
        assert sorted(one["id"] for one in found["alerts"]) == mine


async def test_an_order_is_found_by_every_reference_that_people_have(system: System, api: Api) -> None:
    for key, order in list((await newest(system, topics.ORDERS_ENRICHED)).items())[:12]:
        references = {
            "key": key,
            "client_order_ref": order["client_order_ref"],
            "order_no": order["order_no"],
            "order_id": order["order_id"] and str(order["order_id"]),
            "payment_code": order["payments"][0]["payment_code"] if order["payments"] else None,
            "payment_ref": order["payments"][0]["payment_ref"] if order["payments"] else None,
        }
        for name, text in references.items():
            if text:
                found = await api.found("/search", q=f" {text} ")
                assert found["complete"]
                assert ("orders", key) in [(each["kind"], each["key"]) for each in found["results"]], (name, text)


@pytest.mark.parametrize("text", ["no such thing", "0", '"', "\\", "%", "é", "a" * 200])
async def test_what_nobody_has_is_found_nowhere(api: Api, text: str) -> None:
    assert await api.found("/search", q=text) == {"q": text, "results": [], "complete": True}


async def test_a_timeline_has_every_delivery_every_update_and_how_it_ended(system: System, api: Api) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    deliveries = Counter(record.key.decode() for record in await read_all(system.servers, *EVENT_TOPICS))
    updates = Counter(record.key.decode() for record in await read_all(system.servers, topics.UPDATES))
    duplicates = 0
    for key in list(orders)[:15]:
        timeline = await api.found(f"/orders/{quote(key)}/timeline")
        assert timeline["complete"]
        what = Counter(entry["what"] for entry in timeline["entries"])
        assert what["fact"] + what["duplicate"] == deliveries[key]
        assert what["fact"] == len(orders[key]["timeline"])
        assert what["update"] == what["outcome"] + what["not_sent"] == updates[key]
        times = [entry["at"] for entry in timeline["entries"]]
        assert times == sorted(times)
        duplicates += what["duplicate"]
    assert duplicates


async def test_what_was_not_sent_is_not_said_to_have_ended_at_norce_and_a_fact_says_what_it_says(
    system: System, api: Api
) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    ended: dict[str, set[str]] = {"outcome": set(), "not_sent": set()}
    for key, order in list(orders.items())[:25]:
        entries = (await api.found(f"/orders/{quote(key, safe='')}/timeline"))["entries"]
        for entry in entries:
            if entry["what"] in ended:
                ended[entry["what"]].add(entry["details"]["outcome"])
        facts = " ".join(entry["text"] for entry in entries if entry["what"] == "fact")
        for payment in order["payments"]:
            assert f"payment {payment['payment_code']}" in facts
            assert f"{payment['amount']} {payment['currency']}" in facts
        assert order["order_no"] is None or f"order no {order['order_no']}" in facts
    assert "delivered" in ended["outcome"] <= {"delivered", "no_order", "dead"}
    assert "superseded" in ended["not_sent"] <= {"unchanged", "superseded"}


async def test_a_timeline_has_every_call_that_norce_got_for_the_order_with_its_answer(system: System, api: Api) -> None:
    """As the simulated Norce counted them, with the failures that it drew."""
    got: dict[tuple[str, str], Counter[int | None]] = {}
    for service in ("connect", "checkout"):
        calls = await system.calls(service)
        assert len(calls) < 1000, "all of them"
        for call in calls:
            if call["order"] is not None:  # one that this service knows
                answered = call["status"] if call["fault"] in (None, "answer") else None
                got.setdefault((service, call["order"]), Counter())[answered] += 1
    seen: Counter[int | None] = Counter()
    for key, order in (await newest(system, topics.ORDERS_ENRICHED)).items():
        entries = (await api.found(f"/orders/{quote(key, safe='')}/timeline"))["entries"]
        made = [entry["details"] for entry in entries if entry["what"] == "call"]
        for service in ("connect", "checkout"):
            shown = Counter(call["status"] for call in made if call["api"] == service)
            assert (service, order["client_order_ref"]) not in got or shown == got[service, order["client_order_ref"]]
            seen += shown
    assert seen[200] > sum(seen.values()) / 2
    assert {429, 500, 503, None} <= seen.keys()


async def test_a_timeline_shows_each_call_that_failed_with_its_answer_and_the_one_that_did_not(
    system: System, api: Api
) -> None:
    entries = (await api.found("/orders/103:1032:990077/timeline"))["entries"]
    calls: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["what"] == "call" and entry["details"]["api"] != "query":
            calls.setdefault((entry["details"]["target"], entry["details"]["update_id"]), []).append(entry)
    troubled: dict[str, list[dict[str, Any]]] = {}
    for target in ("connect", "checkout"):
        scripted = [each.get("status") for each in TROUBLE if each["service"] == target]
        ((update_id, made),) = [
            (update_id, made)
            for (told, update_id), made in calls.items()
            if told == target
            and [status for e in made if (status := e["details"]["status"]) not in (200, 204)][: len(scripted)]
            == scripted
        ]
        last = made[-1]["details"]
        assert (last["status"] in (200, 204), last["reason"], last["answer"]) == (True, None, None)
        (ended,) = [e for e in entries if e["what"] == "outcome" and e["details"]["update_id"] == update_id]
        assert ended["title"] == f"{target.capitalize()}: delivered"
        times = [entry["at"] for entry in made]
        assert [*times, ended["at"]] == sorted([*times, ended["at"]])
        troubled[target] = made
    first, second, third = troubled["connect"][:3]
    assert first["text"].startswith("answered 500 after ")
    assert first["details"]["answer"] == {"error": "busy", "email": "***"}
    assert second["details"]["answer"] is None
    assert "no answer after" in third["text"]
    assert "connection broke" in third["text"]
    waited = datetime.fromisoformat(third["at"]) - datetime.fromisoformat(second["at"])
    assert waited >= timedelta(seconds=1), "as the second answer asked for"
    assert "maja" not in str(entries)


async def test_an_end_in_the_timeline_says_what_norce_was_told(system: System, api: Api) -> None:
    orders = await newest(system, topics.ORDERS_ENRICHED)
    key = next(key for key, order in orders.items() if order["payments"] and "/" not in key)
    entries = (await api.found(f"/orders/{key}/timeline"))["entries"]
    told = await system.observer.order(orders[key]["client_order_ref"])
    calls = Counter(e["details"]["target"] for e in entries if e["details"].get("outcome") == "delivered")
    assert calls == Counter(update["service"] for update in told["updates"])


async def test_open_alerts_are_those_of_the_alerts_topic_by_kind_and_client(system: System, api: Api) -> None:
    published = [one for one in (await newest(system, topics.ALERTS)).values() if one["state"] == "open"]
    assert published
    items = await api.all("/alerts", limit=2)
    assert sorted(one["id"] for one in items) == sorted(one["id"] for one in published)
    assert [one["opened_at"] for one in items] == sorted((one["opened_at"] for one in published), reverse=True)
    kind, client = published[0]["kind"], published[0]["client_id"]
    some = await api.all("/alerts", kind=kind, client_id=client)
    assert len(some) == sum(one["kind"] == kind and one["client_id"] == client for one in published) > 0


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/orders/nonsense", 422, "MalformedKey"),
        ("/orders/1:1:nobody", 404, "NoSuchThing"),
        ("/orders/1:1:nobody/timeline", 404, "NoSuchThing"),
        ("/orders?after=zz", 422, "UnusableCursor"),
        ("/orders?after=OTk5OTk5OTk5OTk5OTk6", 422, "UnusableCursor"),
        ("/orders?limit=0", 422, "InvalidRequest"),
        ("/alerts?after=-1", 422, "UnusableCursor"),
        ("/search", 422, "InvalidRequest"),
        ("/nothing/1", 422, "InvalidRequest"),
        ("/dead-letters/nobody", 404, "NoSuchLetter"),
        ("/quarantine/0:999999", 404, "NoSuchBody"),
        ("/quarantine/999:0", 404, "NoSuchBody"),
        ("/quarantine/nonsense", 422, "InvalidRequest"),
    ],
)
async def test_what_cannot_be_answered_is_named(api: Api, path: str, status: int, error: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert len(answer.json()["message"]) > 10


async def test_the_overview_shows_every_stage_and_a_ledger_that_balances(system: System, api: Api) -> None:
    overview = await api.found("/overview")
    stages = {stage["name"]: stage for stage in overview["stages"]}
    assert list(stages) == ["webhook", "worker", "sink-connect", "sink-checkout", "lookup", "drift", "privacy"]
    assert [stage["name"] for stage in overview["stages"] if not stage["processes"][0]["up"]] == ["drift"]
    assert stages["worker"]["lag"] == 0
    records = len(await read_all(system.servers, *EVENT_TOPICS))
    assert stages["webhook"]["counts"]["accepted"] == records
    updates = await system.records(topics.UPDATES)
    for target in ("connect", "checkout"):
        ended = overview["ledger"]["updates"][target]
        assert sum(ended.values()) == sum(update["target"] == target for update in updates)


async def test_the_overview_says_that_nothing_waits_once_everything_has_its_end(api: Api) -> None:
    balance = (await api.found("/overview"))["balance"]
    assert balance == {"silent": [], "waiting": 0, "parked": 0, "unsent": 0, "skipped": 0}


async def test_a_body_in_quarantine_is_shown_with_its_headers_and_without_persons(system: System, api: Api) -> None:
    records = {f"{one.partition}:{one.offset}": one for one in await read_all(system.servers, topics.QUARANTINE)}
    items = await api.all("/quarantine", limit=50)
    assert {item["id"] for item in items} == set(records)
    for item in items:
        shown, record = await api.found(f"/quarantine/{item['id']}"), records[item["id"]]
        assert {name: shown[name] for name in item} == item
        assert (shown["topic"], f"{shown['partition']}:{shown['offset']}") == (topics.QUARANTINE, item["id"])
        assert shown["headers"] == {name: value.decode() for name, value in record.headers}
        told = json.dumps(shown["body"], ensure_ascii=False)
        assert [person for person in _persons(record.value) if person in told] == []


async def test_the_api_is_described_and_the_description_is_valid(api: Api) -> None:
    document = await api.found("/openapi.json")
    validate(document)
    assert {f"/api/v1/{path}" for path in ("search", "alerts", "{kind}", "{kind}/{key}")} <= set(document["paths"])


def _persons(value: bytes | None) -> set[str]:
    """What a body says of a person, if it is an object."""
    try:
        body = json.loads(value or b"")
    except ValueError:
        return set()
    names = ("Email", "CellPhone", "FirstName", "LastName")
    return {body[name] for name in names if body.get(name)} if isinstance(body, dict) else set()


async def test_nothing_is_shown_of_a_person_without_an_account(system: System, api: Api) -> None:
    told: list[Any] = [await api.found(path) for path in ("/orders", "/alerts", "/dead-letters", "/quarantine")]
    told += [await api.found(f"/orders/{quote(item['key'])}/timeline") for item in told[0]["items"][:5]]
    bodies = [json.loads(record.value) for record in await read_all(system.servers, *EVENT_TOPICS)]
    persons = {body[name] for body in bodies for name in ("Email", "CellPhone", "LastName") if body.get(name)}
    assert persons
    assert [person for person in persons if person in json.dumps(told, ensure_ascii=False)] == []
