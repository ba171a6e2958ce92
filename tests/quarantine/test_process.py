"""Bodies that a real connector put aside, retried by the command and joined by a real worker, and the audit of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.audit.course import Period, Request
from pipeline.broker import KafkaCluster
from pipeline.drift.topics import DRIFT
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import home
from pipeline.quarantine.entries import Filter, Row
from pipeline.quarantine.reading import Quarantine
from pipeline.quarantine.retries import Outcome
from pipeline.quarantine.retrying import Course, Retrier, Rules, Tried
from tests.quarantine.support import Rig, headers, make, order
from tests.support.kafka import drained, read_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MISSPELT = "OrderRecievedEvent"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        made = await make(broker, tmp_path_factory.mktemp("system"), client)
        try:
            await made.system.start("webhook", "worker", "drift")
            yield made
        finally:
            await made.close()
            await made.system.stack.stop()


async def test_what_the_connector_put_aside_is_listed_and_shown_without_personal_data(rig: Rig) -> None:
    await rig.post(MISSPELT, order("1", FirstName="Planted", ErrorMessage="ask planted@example.com"))
    await rig.post("OrderReceivedEvent", b'{"ClientId": 1, "FirstName": "Planted"')
    await rig.post("JobCompletedEvent", {"ClientId": 1, "JobId": "text"})
    rows = {row["reason"]: row for row in await rig.json("list")}
    assert set(rows) == {"unknown_event_type", "not_json", "wrong_fields"}
    assert {row["state"] for row in rows.values()} == {"waiting"}
    row = rows["unknown_event_type"]
    assert (row["event_type"], row["bytes"]) == (
        MISSPELT,
        len(json.dumps(order("1", FirstName="Planted", ErrorMessage="ask planted@example.com"))),
    )
    (record,) = [
        each for each in await read_all(rig.servers, topics.QUARANTINE) if headers(each)["ce_id"] == row["ce_id"]
    ]
    assert row["id"] == f"{record.partition}:{record.offset}"
    assert row["received_at"] == record.timestamp

    assert [each["id"] for each in await rig.json("list", "--type", "jobcompletedevent")] == [
        rows["wrong_fields"]["id"]
    ]
    assert [each["id"] for each in await rig.json("list", "--reason", "not_json")] == [rows["not_json"]["id"]]
    assert await rig.json("list", "--since", "2099-01-01") == []
    assert (await rig.command("list", "--reason", "nonsense")).code == 2
    table = (await rig.command("list")).out
    assert all(row["id"] in table and row["ce_id"] in table for row in rows.values())

    for which in (row["id"], row["ce_id"]):
        shown = await rig.json("show", which)
        assert (shown["body"]["FirstName"], shown["body"]["ErrorMessage"]) == ("***", "ask [e-mail]")
        assert shown["headers"]["norce_reason"] == "unknown_event_type"
    assert (await rig.json("show", rows["not_json"]["id"]))["body"] == "***", "nobody knows what is in it"
    text = (await rig.command("show", row["id"])).out + (await rig.command("show", rows["not_json"]["id"])).out
    assert "Planted" not in text
    assert rows["not_json"]["where"] in text
    assert "Planted" in (await rig.command("show", rows["not_json"]["id"], "--reveal")).out
    for nowhere in ("0:99999", "99:0", "nonsense"):
        missing = await rig.command("show", nowhere)
        assert (missing.code, "NoQuarantineEntry" in missing.error) == (1, True)


async def test_nothing_happens_without_a_yes_or_in_a_dry_run(rig: Rig) -> None:
    before, rows = await rig.size(), await rig.json("list")
    dry = await rig.json("retry", "--all", "--as", "OrderReceivedEvent", "--dry-run", code=1)
    assert sorted(each["outcome"] for each in dry) == ["still_refused", "still_refused", "would_be_retried"]
    refused = await rig.command("retry", "--all", "--as", "OrderReceivedEvent")
    assert refused.code == 1
    assert "1  would be published on norce.events.order: OrderReceivedEvent" in refused.error
    assert "1  would still be refused: wrong_fields" in refused.error
    assert "Publish 1 events?" in refused.error
    assert (await rig.size(), await rig.json("list")) == (before, rows)


@pytest.mark.parametrize(
    "words", [[], ["0:1", "--all"], ["0:1", "--type", "JobCompletedEvent"], ["--as", "x", "--all"]]
)
async def test_it_has_to_be_said_what_is_to_be_retried(rig: Rig, words: list[str]) -> None:
    assert (await rig.command("retry", *words, "--yes")).code == 2


async def test_a_body_that_still_does_not_fit_stays_with_its_new_reason(rig: Rig) -> None:
    (row,) = await rig.json("list", "--type", MISSPELT)
    (still,) = await rig.json("retry", row["id"], "--as", "JobCompletedEvent", "--yes", code=1)
    assert (still["outcome"], still["refusal"]["reason"]) == ("still_refused", "wrong_fields")
    assert "JobId" in still["says"]
    assert await rig.events(row["ce_id"]) == []
    (listed,) = await rig.json("list", "--type", MISSPELT)
    assert (listed["state"], listed["reason"]) == ("still_refused", "unknown_event_type")
    assert "still_refused by operator, wrong_fields" in (await rig.command("show", row["id"])).out
    found = await rig.audit()
    assert (found.problems, found.waiting) == ([], [])
    assert sum(count for (_, ended), count in found.events.items() if ended == "quarantined") == 3


async def test_a_retried_body_becomes_the_connectors_own_record_and_is_joined_once_however_often_it_is_retried(
    rig: Rig,
) -> None:
    (row,) = await rig.json("list", "--type", MISSPELT)
    # Somebody dies after the event is published and before that is said.
    async with Quarantine.open(rig.system.stack.kafka) as quarantine:
        rows = [each async for each in quarantine.rows(await quarantine.spans(), Filter(event_type=MISSPELT), print)]
    rules = Rules(event_type="OrderReceivedEvent")
    async with Dying.open(rig.system.stack.kafka, 65_536, "somebody") as retrier:
        with pytest.raises(Dead):
            await Course(rules, print, retrier).run(_each(rows))
    (listed,) = await rig.json("list", "--type", MISSPELT)
    assert listed["state"] == "retrying"
    await rig.joined()
    found = await rig.audit()
    assert (found.problems, found.waiting) == ([], []), "its event is there, whatever was said"

    (done,) = await rig.json("retry", "--all", "--type", MISSPELT, "--as", "orderReceivedEvent", "--yes")
    assert (done["outcome"], done["event_type"]) == ("retried", "OrderReceivedEvent")
    assert await rig.json("list", "--type", MISSPELT) == []
    (left,) = await rig.json("retry", row["ce_id"], "--yes")
    assert left["outcome"] == "already_retried"
    (again,) = await rig.json("retry", row["id"], "--as", "OrderReceivedEvent", "--again", "--yes")
    assert again["outcome"] == "retried"
    listed = await rig.json("list", "--all", "--type", MISSPELT)
    assert [each["state"] for each in listed] == ["retried"]

    events = await rig.events(row["ce_id"])
    assert len(events) == 3
    last = {"topic": events[-1].topic, "partition": events[-1].partition, "offset": events[-1].offset}
    assert again["event"] == last
    body = order("1", FirstName="Planted", ErrorMessage="ask planted@example.com")
    await rig.post("OrderReceivedEvent", body)
    (twin,) = [
        each
        for each in await read_all(rig.servers, "norce.events.order")
        if each.key == b"1:2:1" and "norce_retried_from" not in headers(each)
    ]
    (kept,) = [
        each for each in await read_all(rig.servers, topics.QUARANTINE) if headers(each)["ce_id"] == row["ce_id"]
    ]
    for event in events:
        assert (event.topic, event.partition, event.key, event.value) == (
            twin.topic,
            twin.partition,
            twin.key,
            kept.value,
        )
        theirs = {**headers(twin), **{name: headers(kept)[name] for name in ("ce_id", "ce_time")}}
        assert headers(event) == {**theirs, "norce_retried_from": f"norce.quarantine/{kept.partition}/{kept.offset}"}
        assert event.timestamp > kept.timestamp
    assert twin.partition == home(b"1:2:1", rig.system.stack.kafka.partitions)

    await rig.joined()
    assert (await rig.timeline("1:2:1")) == [row["ce_id"]], "the twin came later, so it is the repeat"
    found = await rig.audit()
    assert (found.problems, found.waiting) == ([], [])
    assert found.events["OrderReceivedEvent", "applied"] == 1
    assert found.events["OrderReceivedEvent", "duplicate"] == 1
    assert sum(count for (_, ended), count in found.events.items() if ended == "quarantined") == 2


class Dead(Exception):
    """A power cut."""


class Dying(Retrier):
    """Dies between publishing and saying so."""

    async def _say(self, said: list[tuple[Tried, Outcome]]) -> None:  # type: ignore[override]
        if any(outcome is Outcome.RETRIED for _, outcome in said):
            raise Dead
        await super()._say(said)


async def _each(rows: list[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


async def test_after_a_fix_all_of_a_type_and_reason_goes_its_way_and_a_time_range_of_the_past_balances(
    rig: Rig,
) -> None:
    """As after a model was corrected: the bodies fit, and an older connector refused them."""
    references = [str(number) for number in range(100, 350)]
    await rig.put_aside("OrderReceivedEvent", (json.dumps(order(each)).encode() for each in references))
    await rig.put_aside("OrderReceivedEvent", [b"{}"])
    entries = await read_all(rig.servers, topics.QUARANTINE)
    past = Request(Period(None, max(each.timestamp for each in entries) + 1))
    before = await rig.audit(past)
    done = await rig.json("retry", "--all", "--type", "OrderReceivedEvent", "--reason", "wrong_fields", "--yes", code=1)
    assert sorted({each["outcome"] for each in done}) == ["retried", "still_refused"]
    assert len(done) == len(references) + 1
    await rig.joined()
    shown = await rig.system.enriched()
    assert {f"1:2:{each}" for each in references} <= set(shown)
    assert all(len(shown[f"1:2:{each}"]["timeline"]) == 1 for each in references)
    for request in (past, Request()):
        found = await rig.audit(request)
        assert (found.problems, found.waiting) == ([], [])
    after = await rig.audit(past)
    moved = len(references)
    kind = "OrderReceivedEvent"
    assert after.events[kind, "applied"] == before.events.get((kind, "applied"), 0) + moved
    assert after.events[kind, "quarantined"] == before.events[kind, "quarantined"] - moved


async def test_a_type_that_the_setting_takes_goes_as_the_connector_would_send_it(rig: Rig) -> None:
    await rig.post("BrandNewEvent", {"ClientId": 1, "Anything": True})
    (refused,) = await rig.json("retry", "--all", "--type", "BrandNewEvent", "--yes", code=1)
    assert refused["refusal"]["reason"] == "unknown_event_type"
    await rig.close()
    rig.system.stack.environment["NORCE_WEBHOOK_ACCEPT_UNKNOWN_TYPES"] = "true"
    rig._operator = None
    try:
        (done,) = await rig.json("retry", "--all", "--type", "BrandNewEvent", "--yes")
    finally:
        del rig.system.stack.environment["NORCE_WEBHOOK_ACCEPT_UNKNOWN_TYPES"]
    assert done["event"]["topic"] == "norce.events.system"
    await rig.joined()
    found = await rig.audit()
    assert (found.problems, found.waiting) == ([], [])
    assert found.events["BrandNewEvent", "ignored"] == 1


async def test_a_retry_whose_event_never_came_is_named_by_the_audit_and_mended_by_another_one(rig: Rig) -> None:
    await rig.post(MISSPELT, order("lost"))
    (row,) = await rig.json("list", "--type", MISSPELT)

    class Lying(Retrier):
        """Says that it published, and did not."""

        async def _send(self, records):  # type: ignore[no-untyped-def]
            sent = [each for each in records if each["topic"] == topics.QUARANTINE_RETRIES]
            found = await super()._send(sent)
            return found if sent else [Nowhere()] * len(records)

    async with Quarantine.open(rig.system.stack.kafka) as quarantine:
        rows = [each async for each in quarantine.rows(await quarantine.spans(), Filter(event_type=MISSPELT), print)]
    async with Lying.open(rig.system.stack.kafka, 65_536, "somebody") as retrier:
        await Course(Rules(event_type="OrderReceivedEvent"), print, retrier).run(_each(rows))
    found = await rig.audit()
    assert [(one.id, one.problem) for one in found.problems] == [
        (row["ce_id"], "is said to be retried and its event is on no event topic")
    ]
    assert await rig.json("list", "--type", MISSPELT) == []
    await rig.json("retry", row["id"], "--as", "OrderReceivedEvent", "--again", "--yes")
    await rig.joined()
    assert (await rig.audit()).problems == []
    assert await rig.timeline("1:2:lost") == [row["ce_id"]]


class Nowhere:
    """Where nothing is."""

    topic, partition, offset = "norce.events.order", 0, 1 << 40


async def test_the_drift_watch_reports_each_shape_once_though_bodies_come_twice(rig: Rig) -> None:
    await drained(rig.servers, "norce-drift", *EVENT_TOPICS, topics.QUARANTINE)
    reports = await read_all(rig.servers, DRIFT)
    assert {MISSPELT, "BrandNewEvent"} <= {json.loads(report.value)["event_type"] for report in reports}
    keys = [report.key for report in reports]
    assert len(keys) == len(set(keys))
