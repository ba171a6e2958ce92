"""Replays in a whole pipeline: what is shown is what would be sent, and what is sent makes Norce right."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from pipeline import topics
from pipeline.audit.course import Request
from pipeline.broker import KafkaCluster
from pipeline.partitions import home
from tests.audit.support import look
from tests.dead_letters.support import Done
from tests.pipeline.system import ALL, System
from tests.support.kafka import admin, consumer, read_all, until
from tests.support.processes import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT, APPLICATION = 101, 1011
PAID, CONFIRMED = ("2001", "2002", "2003", "2004"), ("2002", "2004", "2005")
ORDERS = tuple(sorted({*PAID, *CONFIRMED}))
FIRST = {"connect": {"infos": {"paid_amount": "PaidAmount", "payment_codes": "PaymentCodes"}}}
SECOND = {
    "connect": {"infos": {"paid_amount": "Paid", "payment_codes": "PaymentCodes"}},
    "checkout": {"attributes": ["status", "statuses", "order_no", "payment_state", "paid", "version"]},
}


def key(reference: str) -> str:
    return f"{CLIENT}:{APPLICATION}:{reference}"


class Operator:
    """A pipeline that has run, and an operator's commands."""

    def __init__(self, system: System, policy: Path) -> None:
        self.system = system
        self.policy = policy
        self._process: asyncio.subprocess.Process | None = None

    async def replay(self, *words: str) -> Done:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.dead_letters.operator"),
                env={**self.system.stack.environment, "PYTHONPATH": str(ROOT), "USER": "operator"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 20,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(["replay", *words]).encode() + b"\n")
        return Done(*json.loads(await asyncio.wait_for(self._process.stdout.readline(), 120)))

    async def dry(self, *words: str) -> dict[str, Any]:
        done = await self.replay(*words, "--dry-run", "--json")
        assert done.code == 0, done
        found: dict[str, Any] = json.loads(done.out)
        return found

    async def done(self, *words: str) -> dict[str, Any]:
        done = await self.replay(*words, "--yes", "--json")
        assert done.code == 0, done
        found: dict[str, Any] = json.loads(done.out)["done"]
        return found

    def decide(self, policy: Mapping[str, Any]) -> None:
        self.policy.write_text(json.dumps({"default": policy}))

    async def close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    # -- looks ---------------------------------------------------------------------------------------------------

    async def ends(self) -> dict[TopicPartition, int]:
        """The end of every partition there is, and what is committed does not count: that is a topic too."""
        async with admin(self.system.servers) as client:
            described: list[Any] = await client.describe_topics()
        places = [
            TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]
        ]
        async with consumer(self.system.servers) as client:
            found: dict[TopicPartition, int] = await client.end_offsets(places)
        return {place: end for place, end in found.items() if not place.topic.startswith("__")}

    async def groups(self) -> set[str]:
        async with admin(self.system.servers) as client:
            return {name for name, *_ in await client.list_consumer_groups()}

    async def calls(self) -> Any:
        return (await self.system.norce())["calls"]

    async def told(self, reference: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Norce holds of what it was told: Infos, and our attributes."""
        order = await self.system.observer.order(reference)
        (checkout,) = order["checkout_orders"]
        return order["infos"], (checkout.get("attributes") or {}).get("norcePipeline", {})

    async def add_orders(self) -> None:
        """The orders, in Commerce and in Checkout, with nothing told of them."""
        for reference in ORDERS:
            body = {"client_id": CLIENT, "application_id": APPLICATION, "order_id": int(reference)}
            answer = await self.system.client.post(
                f"{self.system.stack.url('simulator')}/simulator/orders",
                json={
                    **body,
                    "client_order_ref": reference,
                    "merchant": "merchant-101",
                    "channel": "channel-1011",
                },
            )
            assert answer.is_success, answer.text

    async def idle(self) -> None:
        await self.system.until_done()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Operator]:
    """Orders that Norce was told of by the first policy. The tests follow each other."""
    folder: Path = tmp_path_factory.mktemp("system")
    policy = folder / "policy.json"
    settings = {
        "NORCE_SIMULATOR_ORDERS": 0,
        "NORCE_SIMULATOR_FAILURES": 0,
        "NORCE_WORKER_PUSH_POLICY_FILE": policy,
    }
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        system = await System.make(broker, folder, client, settings)
        found = Operator(system, policy)
        found.decide(FIRST)
        try:
            await system.start("simulator", *ALL)
            await found.add_orders()
            ids = {"ClientId": CLIENT, "ApplicationId": APPLICATION}
            for reference in PAID:
                paid = {"ErpOrderNo": f"SO{reference}", "PaymentCode": f"P{reference}", "Amount": 100.5}
                await system.post(
                    "OrderPaymentReceivedEvent", **ids, ClientOrderRef=reference, CurrencyCode="SEK", **paid
                )
            for reference in CONFIRMED:
                said = {"OrderId": int(reference), "OrderNo": f"SO{reference}", "Source": "WEB"}
                await system.post("OrderConfirmedEvent", **ids, ClientOrderRef=reference, **said)
            await found.idle()
            yield found
        finally:
            await found.close()
            await system.stack.stop()


def changes(found: Mapping[str, Any], reference: str, target: str) -> dict[str, tuple[Any, Any]]:
    (each,) = [each for each in found["keys"] if each["key"] == key(reference)]
    return {change["field"]: (change["sent"], change["now"]) for change in each["targets"][target]["changes"]}


def was(reference: str) -> dict[str, str]:
    """The Infos by the first policy. Norce keeps them when they are said no more."""
    return {"PaidAmount": "100.50 SEK", "PaymentCodes": f"P{reference}"}


async def test_a_dry_run_shows_no_difference_while_nothing_was_changed(operator: Operator) -> None:
    for topic in ("norce.events.order", "norce.events.payment"):
        found = await operator.dry("--topic", topic)
        assert found["keys"] == []
        count = len(CONFIRMED if topic.endswith("order") else PAID)
        assert found["summary"]["targets"]["checkout"]["same"] == count
    done = await operator.replay("--topic", "norce.events.order", "--yes")
    assert (done.code, "nothing differs" in done.out) == (0, True), done


async def test_a_dry_run_after_a_change_of_policy_shows_exactly_the_difference_and_changes_nothing(
    operator: Operator,
) -> None:
    before, calls, groups = await operator.ends(), await operator.calls(), await operator.groups()
    operator.decide(SECOND)
    found = await operator.dry("--topic", "norce.events.payment")
    assert {each["key"] for each in found["keys"]} == set(map(key, PAID))
    for reference in PAID:
        infos, attributes = await operator.told(reference)
        assert changes(found, reference, "connect") == {
            "info Paid": (None, infos["PaidAmount"]),
            "info PaidAmount": (infos["PaidAmount"], None),
        }
        statuses = {"attribute statuses": (None, ["confirmed"])} if reference in CONFIRMED else {}
        assert changes(found, reference, "checkout") == statuses
        assert attributes["paid"] == {"SEK": "100.50"}
    assert found["summary"]["targets"]["connect"]["different"] == len(PAID)
    told = await operator.replay("--order", key("2001"), "--dry-run")
    assert 'info PaidAmount: "100.50 SEK" → nothing' in told.out, told
    assert "connect: 1 different" in told.out
    assert await operator.ends() == before
    assert await operator.calls() == calls
    assert await operator.groups() == groups


async def test_each_selection_has_exactly_its_keys(operator: Operator) -> None:
    records = await read_all(operator.system.servers, "norce.events.payment")
    place = home(key("2002").encode(), operator.system.stack.kafka.partitions)
    first, second = [record for record in records if record.partition == place]
    assert (first.key, second.key) == (key("2002").encode(), key("2003").encode())

    async def touched(*words: str) -> int:
        return int((await operator.dry(*words))["summary"]["events_selected"])

    at = ["--topic", "norce.events.payment", "--partition", str(place)]
    for bounds, only in ((["--to", str(second.offset)], "2002"), (["--from", str(second.offset)], "2003")):
        one = await operator.dry(*at, *bounds)
        assert [each["key"] for each in one["keys"]] == [key(only)]
    both = await operator.dry("--order", key("2001"), "--order", key("2004"))
    assert [each["key"] for each in both["keys"]] == [key("2001"), key("2004")]
    assert both["summary"]["events_selected"] == 3
    typed = await operator.dry("--type", "OrderConfirmedEvent")
    assert typed["summary"]["keys"] == typed["summary"]["events_selected"] == len(CONFIRMED)
    assert await touched("--type", "OrderPaymentReceivedEvent", "--order", key("2001"), "--since", "1h") == 1
    times = sorted(record.timestamp for record in records)
    moment = datetime.fromtimestamp(times[2] / 1000, UTC).isoformat(timespec="milliseconds")
    early = await touched("--topic", "norce.events.payment", "--to", moment)
    late = await touched("--topic", "norce.events.payment", "--from", moment)
    assert (early, late) == (sum(time < times[2] for time in times), sum(time >= times[2] for time in times))
    for words in (["--topic", "norce.events.payment", "--to", "2020-01-01"], ["--type", "JobCompletedEvent"]):
        nothing = await operator.replay(*words, "--dry-run")
        assert (nothing.code, "NothingSelected" in nothing.error) == (1, True), nothing
    strange = await operator.replay("--order", "101:1011:nobody", "--dry-run")
    assert (strange.code, "UnknownOrder" in strange.error) == (1, True), strange


async def test_a_replay_asks_first_and_then_makes_norce_what_is_derived_now(operator: Operator) -> None:
    assert await operator.system.stop("worker") == 0
    await operator.system.start("worker")
    refused = await operator.replay("--order", key("2002"))
    assert refused.code == 1
    assert "1 updates to connect and 1 updates to checkout" in refused.error, refused
    assert (await operator.told("2002"))[0] == was("2002")

    came = await operator.done("--order", key("2002"), "--target", "connect", "--reason", "another code")
    assert (came["keys"], came["updates"]) == (1, 1)
    told, attributes = await until(lambda: operator.told("2002"), lambda told: "Paid" in told[0])
    assert told["Paid"] == "100.50 SEK"
    assert "statuses" not in attributes, "the other target was not meant"
    assert "Paid" not in (await operator.told("2001"))[0], "and neither was another order"
    said = [each for each in await operator.system.records(topics.RESOLUTIONS) if each["reason"] == "another code"]
    assert [(each["how"], each["letter"], len(each["updates"])) for each in said] == [("replayed", None, 1)]

    for topic in ("norce.events.payment", "norce.events.order"):
        await operator.done("--topic", topic)
    await operator.idle()
    for reference in ORDERS:
        infos, attributes = await operator.told(reference)
        assert infos == ({**was(reference), "Paid": "100.50 SEK"} if reference in PAID else {})
        assert attributes.get("statuses") == (["confirmed"] if reference in CONFIRMED else None)


async def test_a_replay_that_is_repeated_sends_nothing(operator: Operator) -> None:
    await operator.idle()
    calls, ends = await operator.calls(), await operator.ends()
    done = await operator.replay("--topic", "norce.events.payment", "--yes")
    assert (done.code, "nothing differs" in done.out) == (0, True), done
    assert await operator.ends() == ends
    assert await operator.calls() == calls


async def test_force_tells_norce_what_it_has_lost_and_no_sooner(operator: Operator) -> None:
    await operator.system.kill("simulator")
    await operator.system.start("simulator")
    await operator.add_orders()
    assert await operator.told("2004") == ({}, {})
    await operator.done("--order", key("2004"))
    await operator.idle()
    assert await operator.told("2004") == ({}, {}), "the sinks remember that Norce was told"
    came = await operator.done("--topic", "norce.events.payment", "--force")
    assert came["updates"] == 2 * len(PAID)
    for reference in PAID:
        infos, attributes = await until(lambda: operator.told(reference), all)  # noqa: B023
        assert infos == {"Paid": "100.50 SEK", "PaymentCodes": f"P{reference}"}
        assert attributes["paid"] == {"SEK": "100.50"}


async def test_nothing_is_counted_twice_and_the_audit_balances(operator: Operator) -> None:
    await operator.idle()
    found = await asyncio.to_thread(look, operator.system.stack, Request())
    assert (found.problems, found.waiting) == ([], [])
    assert sum(found.events.values()) == len(PAID) + len(CONFIRMED)
    assert {outcome for _, outcome in found.updates} <= {"delivered", "superseded", "unchanged"}
    assert (await operator.system.norce())["violations"] == {}
