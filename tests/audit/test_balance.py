"""The audit of a real run: it balances after kills and trouble, and each kind of imbalance is named when planted.

One system runs once: events out of order, repeated, unusable; the worker and both sinks are killed in between. Then it
is stopped, and each test plants one thing that is wrong and looks for what is newly named.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.audit.course import Period, Request
from pipeline.broker import KafkaCluster
from pipeline.domain import State, decode, encode
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from tests.audit.support import Audited
from tests.pipeline.system import ALL, System
from tests.support.kafka import admin, read_all
from tests.verifier import ledger
from tests.verifier.expected import RawRecord

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

SCENARIO = {
    "NORCE_SIMULATOR_ORDERS": 40,
    "NORCE_SIMULATOR_RATE": 50,
    "NORCE_SIMULATOR_DUPLICATES": 0.15,
    "NORCE_SIMULATOR_REORDERING": 0.2,
    "NORCE_SIMULATOR_BAD": 0.03,
    "NORCE_SIMULATOR_FAILURES": 0.02,
    "NORCE_SIMULATOR_LATENCY": 0.02,
    "NORCE_WORKER_INSTANCE_ID": "worker-0",
    "NORCE_CONNECT_INSTANCE_ID": "connect-0",
    "NORCE_CHECKOUT_INSTANCE_ID": "checkout-0",
}
PRODUCT = {"ClientId": 103, "PartNo": "SKU-9"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system after its scenario, with every process stopped."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, SCENARIO)
        try:
            await made.start(*ALL, "simulator")
            for share, name in ((0.3, "worker"), (0.5, "sink connect"), (0.7, "sink checkout")):
                await made.until(lambda seen: seen.taken > share)  # noqa: B023
                await made.kill(name)
                await made.start(name)
            await made.until_done()
            made.wrong = await made.differences() + await made.failed_checks()  # type: ignore[attr-defined]
            for number in range(3):
                await made.post("SkuPriceChangedNotification", **PRODUCT, PricelistId=1, PriceSaleValue=number)
            await made.until_done()
        finally:
            await made.stack.stop()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def audited(system: System) -> Audited:
    return Audited(system.stack)


async def raw(audited: Audited, *names: str) -> list[RawRecord]:
    return [
        RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
        for r in await read_all(audited.servers, *names)
    ]


# -- a right run -----------------------------------------------------------------------------------------------------


async def test_after_kills_and_repeats_everything_balances_and_the_independent_verifier_agrees(
    system: System, audited: Audited
) -> None:
    assert system.wrong == []  # type: ignore[attr-defined]
    found = await audited.audit()
    assert (found.problems, found.waiting) == ([], [])
    said = await raw(audited, topics.LEDGER)
    groups = audited.stack.groups
    events = ledger.events(await raw(audited, *EVENT_TOPICS), said, groups.worker)
    theirs = {place: n for place, n in found.events.items() if place[1] != "quarantined" and "(copy)" not in place[0]}
    assert theirs == ledger.counted(events)
    quarantined = sum(count for (_, ended), count in found.events.items() if ended == "quarantined")
    assert quarantined == len(await raw(audited, topics.QUARANTINE)) > 0
    updates = ledger.updates(
        await raw(audited, topics.UPDATES), said, {"connect": groups.connect, "checkout": groups.checkout}
    )
    assert found.updates == ledger.counted(updates)
    firsts = {first for order in (await system.expected()).values() for first in order.first_ids}
    assert firsts <= {event.id for event in events if event.outcome == "applied"}
    assert {"applied", "duplicate"} <= {event.outcome for event in events}


async def test_a_time_range_is_counted_by_itself_and_its_parts_make_the_whole(audited: Audited) -> None:
    whole = await audited.audit()
    times = [record.timestamp for record in await raw(audited, *EVENT_TOPICS)]
    middle = (min(times) + max(times)) // 2
    before = await audited.audit(Request(Period(None, middle)))
    after = await audited.audit(Request(Period(middle, None)))
    for found in (before, after):
        assert (found.problems, found.waiting) == ([], [])
        assert sum(found.events.values()) < sum(whole.events.values())
    both = [before.events, after.events]
    assert {p: sum(each.get(p, 0) for each in both) for p in whole.events} == whole.events


async def test_an_audit_makes_no_group_and_commits_nothing(audited: Audited) -> None:
    await audited.audit()
    async with admin(audited.servers) as client:
        groups = {name for name, *_ in await client.list_consumer_groups()}
        assert groups == set(vars_of(audited))


def vars_of(audited: Audited) -> tuple[str, str, str]:
    groups = audited.stack.groups
    return groups.worker, groups.connect, groups.checkout


# -- events that do not balance --------------------------------------------------------------------------------------


async def order_event(audited: Audited, event_id: str, **changes: Any) -> tuple[bytes, int]:
    """An event of an order that the worker has never seen; key and offset."""
    body = {"ClientId": 103, "ApplicationId": 1032, "ClientOrderRef": event_id, "Source": "WEB", **changes}
    key = f"103:1032:{event_id}"
    topic = "norce.events.order"
    return key.encode(), await audited.plant_event("OrderReceivedEvent", key, body, event_id, topic)


async def test_an_event_that_nobody_has_committed_is_pending_with_its_age_and_no_problem(audited: Audited) -> None:
    await order_event(audited, "not-yet")
    found = await audited.audit()
    assert found.problems == []
    assert [(one.id, one.problem.split()[:3]) for one in found.waiting] == [("not-yet", ["is", "pending", "for"])]


async def test_a_committed_event_without_an_outcome_is_named(audited: Audited) -> None:
    await audited.commit_everything()
    assert await audited.news() == {"not-yet": "is committed and has no outcome in the ledger"}


async def test_an_event_said_to_be_applied_whose_receipt_is_in_no_state_is_named(audited: Audited) -> None:
    key, offset = await order_event(audited, "not-in-state")
    await audited.say(audited.stack.groups.worker, "norce.events.order", key, offset, "applied")
    await audited.commit_everything()
    assert await audited.news() == {
        "not-in-state": "is said to be applied and is not in the state of order 103:1032:not-in-state"
    }


async def test_an_event_said_to_be_dead_without_a_dead_letter_is_named(audited: Audited) -> None:
    key, offset = await order_event(audited, "no-letter")
    await audited.say(audited.stack.groups.worker, "norce.events.order", key, offset, "dead")
    await audited.commit_everything()
    assert await audited.news() == {"no-letter": "is said to be dead and is in no dead letter"}


async def test_an_event_said_to_be_ignored_of_which_state_is_kept_is_named(audited: Audited) -> None:
    key, offset = await order_event(audited, "not-ignored")
    await audited.say(audited.stack.groups.worker, "norce.events.order", key, offset, "ignored")
    await audited.commit_everything()
    assert await audited.news() == {"not-ignored": "is said to be ignored and a state is kept of its type"}


async def test_the_same_id_twice_is_named_at_both_places(audited: Audited) -> None:
    record = await audited.record("norce.events.order", lambda r: r.offset < 5)
    await audited.plant(record.topic, record.key, record.value, list(record.headers))
    offset = (await audited.record(record.topic, lambda r: r.partition == record.partition)).offset
    await audited.say(audited.stack.groups.worker, record.topic, record.key, offset, "applied")
    await audited.commit_everything()
    before = set(audited.known)
    assert await audited.news() == {dict(record.headers)["ce_id"].decode(): "its id is on the topics more than once"}
    places = {problem.source for problem in audited.known - before}
    assert places == {f"{record.topic}/{record.partition}@{at}" for at in (record.offset, offset)}


async def test_a_first_delivery_said_to_be_a_duplicate_is_named(audited: Audited) -> None:
    """The last word of the ledger stands, so a wrong one takes the place of the right one."""
    record = await audited.record("norce.events.payment", lambda r: r.offset == 0)
    await audited.say(audited.stack.groups.worker, record.topic, record.key, 0, "duplicate")
    assert await audited.news() == {
        dict(record.headers)[
            "ce_id"
        ].decode(): "is said to be duplicate and is the first that its state heard of its fact"
    }


async def test_a_price_said_to_be_forgotten_by_a_state_that_has_room_for_it_is_named(audited: Audited) -> None:
    key = "103:SKU-9"
    body = {**PRODUCT, "PricelistId": 1, "PriceSaleValue": 7}
    for event_id, outcome in (("no-room", "stale"), ("not-applied", "applied")):
        topic = "norce.events.product"
        offset = await audited.plant_event("SkuPriceChangedNotification", key, body, event_id, topic)
        await audited.say(audited.stack.groups.worker, topic, key.encode(), offset, outcome)
    await audited.commit_everything()
    assert await audited.news() == {
        "no-room": "is said to be stale and its state has room for it",
        "not-applied": "is said to be applied and is not in the state of product 103:SKU-9",
    }


async def test_a_failed_run_without_its_copy_for_the_subscription_is_named(audited: Audited) -> None:
    copy = await audited.record(topics.SUBSCRIPTION_FAILURES)
    event_id = dict(copy.headers)["ce_id"]
    original = await audited.record("norce.events.subscription", lambda r: dict(r.headers)["ce_id"] == event_id)
    body = {**json.loads(original.value), "SubscriptionId": 987654}
    await audited.plant_event("SubscriptionFailedEvent", original.key.decode(), body, "not-copied", original.topic)
    offset = (await audited.record(original.topic, lambda r: dict(r.headers)["ce_id"] == b"not-copied")).offset
    await audited.say(audited.stack.groups.worker, original.topic, original.key, offset, "applied")
    await audited.commit_everything()
    before = set(audited.known)
    await audited.news()
    said = {problem.problem for problem in audited.known - before if problem.id == "not-copied"}
    assert any(one.startswith("has no copy for ") and one.endswith(":subscription=987654") for one in said)


# -- states that do not balance --------------------------------------------------------------------------------------


async def newest_state(audited: Audited, good: Any) -> tuple[str, Any, State]:
    changelog = topics.changelog(audited.stack.groups.worker, "orders")
    states = {record.key: record for record in await read_all(audited.servers, changelog)}
    record = next(each for each in states.values() if good(decode(each.value)))
    return changelog, record, decode(record.value)


async def test_a_state_that_lost_a_receipt_names_the_event_and_the_enriched_record_that_shows_it(
    audited: Audited,
) -> None:
    changelog, record, state = await newest_state(audited, lambda state: len(state.facts) > 2)
    (_, receipts), *kept = state.facts
    await audited.plant(changelog, record.key, encode(State(tuple(kept))))
    key = record.key.decode()
    news = await audited.news()
    assert set(news) == {key, *(receipt.event_id for receipt in receipts)}
    assert news[key].startswith("the enriched record ")
    assert all("is not in the state of order" in news[receipt.event_id] for receipt in receipts)


async def test_a_receipt_of_an_event_that_is_on_no_topic_is_named(audited: Audited) -> None:
    changelog, record, state = await newest_state(audited, lambda state: len(state.facts) == 1)
    fact, receipts = state.facts[0]
    invented = type(receipts[0])(received_at=receipts[0].received_at + 1, event_id="invented")
    await audited.plant(changelog, record.key, encode(State(((fact, (*receipts, invented)),))))
    assert (await audited.news())["invented"] == "is in the state and on no topic"


# -- updates that do not balance -------------------------------------------------------------------------------------


async def update(audited: Audited, target: str) -> Any:
    """The newest update of an order that has several."""
    return await audited.record(topics.UPDATES, lambda record: json.loads(record.value)["target"] == target)


async def test_a_committed_update_without_an_outcome_is_named_and_the_other_sink_owes_none(audited: Audited) -> None:
    record = await update(audited, "connect")
    content = {**json.loads(record.value), "id": "no-outcome", "client_order_ref": "new"}
    await audited.plant(topics.UPDATES, b"103:1032:new", json.dumps(content).encode())
    await audited.commit_everything()
    assert await audited.news() == {"no-outcome": "is committed and has no outcome in the ledger"}


async def test_an_update_said_to_be_delivered_that_the_sink_does_not_remember_is_named(audited: Audited) -> None:
    record = await update(audited, "checkout")
    content = {**json.loads(record.value), "id": "not-sent", "client_order_ref": "newer"}
    key = b"103:1032:newer"
    offset = await audited.plant(topics.UPDATES, key, json.dumps(content).encode())
    await audited.say(audited.stack.groups.checkout, topics.UPDATES, key, offset, "delivered")
    await audited.say(audited.stack.groups.connect, topics.UPDATES, key, offset, "delivered")
    await audited.commit_everything()
    before = set(audited.known)
    await audited.news()
    assert {(problem.id, problem.problem) for problem in audited.known - before} == {
        ("not-sent", "is said to be delivered and the sink remembers nothing of the order"),
        ("not-sent", "has an outcome of a sink that it is not for"),
    }


async def test_what_the_sink_remembers_may_have_been_read_again_after_a_crash(audited: Audited) -> None:
    record = await audited.record(topics.changelog(audited.stack.groups.connect, "sent"))
    sent = json.loads(record.value)

    def remembered(update: Any) -> bool:
        return bool(update.key == record.key and json.loads(update.value)["id"] == sent["id"])

    newest = await audited.record(topics.UPDATES, remembered)
    older = {**json.loads(newest.value), "id": "older", "version": sent["version"] - 1}
    offset = await audited.plant(topics.UPDATES, record.key, json.dumps(older).encode())
    await audited.say(audited.stack.groups.connect, topics.UPDATES, record.key, offset, "delivered")
    await audited.say(audited.stack.groups.connect, topics.UPDATES, record.key, newest.offset, "unchanged")
    await audited.commit_everything()
    assert await audited.news() == {}


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        ("superseded", "is said to be superseded and nothing newer is there"),
        ("unchanged", "is said to be unchanged and the sink remembers something else"),
        ("dead", "is said to be dead and is in no dead letter"),
        ("lost", "has an outcome that does not exist: lost"),
    ],
)
async def test_an_update_whose_outcome_cannot_be_right_is_named(audited: Audited, outcome: str, problem: str) -> None:
    record = await update(audited, "connect")
    content = {**json.loads(record.value), "id": f"not-{outcome}", "client_order_ref": outcome}
    key = f"103:1032:{outcome}".encode()
    offset = await audited.plant(topics.UPDATES, key, json.dumps(content).encode())
    await audited.say(audited.stack.groups.connect, topics.UPDATES, key, offset, outcome)
    await audited.commit_everything()
    assert await audited.news() == {f"not-{outcome}": problem}


async def test_an_unreadable_record_of_the_ledger_is_named_by_its_place(audited: Audited) -> None:
    await audited.plant(topics.LEDGER, b"nonsense", b"{")
    ((place, problem),) = (await audited.news()).items()
    assert place.startswith(f"{topics.LEDGER}/{home(b'nonsense', audited.stack.kafka.partitions)}@")
    assert problem.startswith("is unreadable")
