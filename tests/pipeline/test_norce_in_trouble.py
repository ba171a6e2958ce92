"""Norce away, slow, refusing or answering into the void: updates are kept, tried again or put aside, never lost."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.domain import ConnectContent, ConnectUpdate, Info, encode_update
from tests.pipeline.system import ALL, System
from tests.support.kafka import produce, read_all, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT, APPLICATION = 101, 1011

QUIET = {
    "NORCE_SIMULATOR_ORDERS": 0,
    "NORCE_SIMULATOR_FAILURES": 0,
    "NORCE_CONNECT_BACKOFF_INITIAL": 0.05,
    "NORCE_CHECKOUT_BACKOFF_INITIAL": 0.05,
    "NORCE_CONNECT_BREAKER_RESET": 0.5,
    "NORCE_CHECKOUT_BREAKER_RESET": 0.5,
    "NORCE_CONNECT_DEADLINE": 2,
    "NORCE_CONNECT_ATTEMPT_TIMEOUT": 2,
}


async def add_order(system: System, reference: str) -> None:
    """An order that Norce knows, in Commerce and in Checkout."""
    body = {
        "client_id": CLIENT,
        "application_id": APPLICATION,
        "client_order_ref": reference,
        "order_id": int(reference),
    }
    answer = await system.client.post(
        f"{system.stack.url('simulator')}/simulator/orders",
        json={**body, "merchant": "merchant-101", "channel": "channel-1011"},
    )
    assert answer.is_success, answer.text


async def confirm(system: System, reference: str) -> None:
    await system.post(
        "OrderConfirmedEvent",
        ClientId=CLIENT,
        ApplicationId=APPLICATION,
        OrderId=int(reference),
        OrderNo=f"SO{reference}",
        ClientOrderRef=reference,
        Source="WEB",
    )


async def pay(system: System, reference: str, code: str = "1", amount: float = 100.5) -> None:
    await system.post(
        "OrderPaymentReceivedEvent",
        ClientId=CLIENT,
        ApplicationId=APPLICATION,
        ClientOrderRef=reference,
        ErpOrderNo=f"SO{reference}",
        PaymentCode=code,
        Amount=amount,
        CurrencyCode="SEK",
    )


async def paid_infos(system: System, reference: str) -> Any:
    return (await system.observer.order(reference))["infos"].get("PaidAmount")


async def told(system: System, reference: str, amount: str) -> None:
    await until(lambda: paid_infos(system, reference), lambda seen: seen == f"{amount} SEK", tries=600)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One pipeline for all tests of this module: each has orders of its own and counts from where it began."""
    folder: Path = tmp_path_factory.mktemp("system")
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        system = await System.make(broker, folder, client, QUIET)
        try:
            await system.start("simulator", *ALL)
            yield system
        finally:
            await system.stack.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def system(shared: System) -> System:
    """The pipeline, idle."""
    await shared.knobs(clear_script=True)
    await shared.until(lambda seen: not any(seen.pending(target) for target in ("connect", "checkout")))
    return shared


_references = count(1001)


def references(number: int = 1) -> list[str]:
    """References of orders that no other test uses."""
    return [str(next(_references)) for _ in range(number)]


async def answered(system: System, service: str) -> int:
    """Calls that a service of Norce answered 200."""
    return int((await system.norce())["calls"].get(service, {}).get("200", 0))


async def letters(system: System, *keys: str) -> list[Any]:
    """Dead letters about these orders."""
    wanted = {f"{CLIENT}:{APPLICATION}:{key}".encode() for key in keys}
    return [record for record in await read_all(system.servers, topics.DEAD_LETTERS) if record.key in wanted]


async def updates(system: System, reference: str, service: str) -> list[Any]:
    """What Norce took about an order, in order."""
    return [u for u in (await system.observer.order(reference))["updates"] if u["service"] == service]


async def test_while_connect_is_away_checkout_goes_on_and_connect_gets_everything_later(system: System) -> None:
    before = await system.observer.look()
    await system.knobs(script=[{"kind": "answer", "service": "connect", "status": 503, "times": 1_000_000}])
    orders = references(10)
    for order in orders:
        await add_order(system, order)
        await pay(system, order)
    for order in orders:
        await until(lambda: updates(system, order, "checkout"), len)  # noqa: B023
    await system.until(
        lambda seen: seen.processes["sink connect"].total("norce_client_breaker_state", api="connect") == 2
    )
    seen = await system.observer.look()
    assert seen.updates("connect")["delivered"] == before.updates("connect")["delivered"]
    assert seen.pending("connect") > 0

    await system.knobs(clear_script=True)
    for order in orders:
        await told(system, order, "100.50")
    assert await letters(system, *orders) == []
    assert (await system.norce())["violations"] == {}


async def test_an_update_that_norce_refuses_becomes_a_dead_letter_and_others_go_on(system: System) -> None:
    refused, other = references(2)
    await add_order(system, refused)
    await add_order(system, other)
    await system.knobs(
        script=[{"kind": "answer", "service": "connect", "order": refused, "status": 400, "body": "no such Info"}]
    )
    await pay(system, refused)
    await pay(system, other)
    await told(system, other, "100.50")
    (record,) = await until(lambda: letters(system, refused), len)
    letter = json.loads(record.value)

    assert letter["stage"] == "connect"
    assert letter["error"] == "Rejected"
    assert letter["attempt"]["status"] == 400
    assert letter["attempt"]["answer"] == "no such Info"
    assert letter["attempt"]["request"]["ClientOrderRef"] == int(refused)
    assert json.loads(letter["source"]["value"])["target"] == "connect"
    assert "Bearer" not in json.dumps(letter)

    await pay(system, refused, code="2")
    await told(system, refused, "201.00")


async def test_a_refused_update_is_released_as_the_newest_state_of_its_order(system: System) -> None:
    (refused,) = references()
    await add_order(system, refused)
    await system.knobs(
        script=[{"kind": "answer", "service": "connect", "order": refused, "status": 400, "body": "no", "times": 2}]
    )
    for code, amount in (("1", 1), ("2", 2)):
        await pay(system, refused, code=code)
        await until(lambda: letters(system, refused), lambda seen: len(seen) == amount)  # noqa: B023
    released = await operator(system, "release", f"{CLIENT}:{APPLICATION}:{refused}", "--yes", "--json")
    assert [each["outcome"] for each in json.loads(released)] == ["released"], "the older letter is overtaken"
    await told(system, refused, "201.00")
    rows = json.loads(await operator(system, "list", f"{CLIENT}:{APPLICATION}:{refused}", "--all", "--json"))
    assert [row["status"] for row in rows] == ["overtaken", "released"]
    assert len(await updates(system, refused, "connect")) == 1


async def operator(system: System, *words: str) -> str:
    """What ``norce-pipeline dead-letters`` says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipeline.cli", "dead-letters", *words),
        env=system.stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def test_an_update_whose_answer_was_lost_stands_once(system: System) -> None:
    (order,) = references()
    await add_order(system, order)
    await system.knobs(script=[{"kind": "lost", "service": "connect", "order": order}])
    await pay(system, order)
    sent = await until(lambda: updates(system, order, "connect"), lambda seen: len(seen) == 2)
    assert sent[0]["content"] == sent[1]["content"]
    await told(system, order, "100.50")
    assert (await system.norce())["violations"] == {}


async def test_a_redelivery_sends_norce_nothing(system: System) -> None:
    order, later = references(2)
    await add_order(system, order)
    await add_order(system, later)
    await confirm(system, order)
    await pay(system, order)
    await told(system, order, "100.50")
    await system.until(lambda seen: not seen.pending("checkout"))
    before = await system.observer.look()
    enriched = await emitted(system, order)
    sent = await updates(system, order, "connect"), await updates(system, order, "checkout")

    for _ in range(3):
        await confirm(system, order)
        await pay(system, order)
    await system.until(lambda seen: seen.events["duplicate"] == before.events["duplicate"] + 6)
    await pay(system, later)
    await told(system, later, "100.50")

    assert await emitted(system, order) == enriched
    assert (await updates(system, order, "connect"), await updates(system, order, "checkout")) == sent


async def emitted(system: System, reference: str) -> int:
    """Enriched records of an order."""
    keys = Counter(record.key.decode() for record in await read_all(system.servers, topics.ORDERS_ENRICHED))
    return keys[f"{CLIENT}:{APPLICATION}:{reference}"]


async def test_a_killed_sink_does_not_repeat_what_norce_has(system: System) -> None:
    orders, (last,) = references(5), references()
    for order in [*orders, last]:
        await add_order(system, order)
    for order in orders:
        await pay(system, order)
        await told(system, order, "100.50")
    await system.until(lambda seen: not seen.pending("connect") and not seen.pending("checkout"))
    sent = {
        order: await updates(system, order, "connect") + await updates(system, order, "checkout") for order in orders
    }
    for sink in ("connect", "checkout"):
        await system.kill(f"sink {sink}")
    await system.start("sink connect", "sink checkout")
    await pay(system, last)
    await told(system, last, "100.50")
    await until(lambda: updates(system, last, "checkout"), len)
    for order in orders:
        assert await updates(system, order, "connect") + await updates(system, order, "checkout") == sent[order]


async def test_what_norce_took_from_a_killed_sink_is_not_mistaken_for_what_the_sink_remembers(system: System) -> None:
    """The state goes forth and back again, and Norce's answer to the forth never came to the memory."""
    (order,) = references()
    await add_order(system, order)

    async def say(version: int, amount: str) -> None:
        update = ConnectUpdate(
            id=f"{order}-{version}",
            client_id=CLIENT,
            application_id=APPLICATION,
            client_order_ref=order,
            order_no=f"SO{order}",
            version=version,
            content=ConnectContent(infos=(Info(code="PaidAmount", value=f"{amount} SEK"),), order_status=None),
        )
        key = f"{CLIENT}:{APPLICATION}:{order}".encode()
        await produce(system.servers, topics.UPDATES, [(key, encode_update(update))])

    await say(1, "1.00")
    await told(system, order, "1.00")
    await system.until(lambda seen: not seen.pending("connect"))
    lost = {"kind": "lost", "service": "connect", "order": order}
    await system.knobs(script=[lost, {"kind": "hang", "service": "connect", "order": order, "times": 100}])
    await say(2, "2.00")
    await told(system, order, "2.00")
    await system.until_hanging("connect")
    await system.kill("sink connect")
    await system.knobs(clear_script=True)
    await say(3, "1.00")
    await system.start("sink connect")
    await told(system, order, "1.00")


async def test_the_newest_state_wins_while_norce_is_away(system: System) -> None:
    (order,) = references()
    await add_order(system, order)
    before = await system.observer.look()
    await system.knobs(script=[{"kind": "answer", "service": "connect", "status": 503, "times": 1_000_000}])
    for payment in range(1, 6):
        await pay(system, order, code=str(payment), amount=10)
        await until(lambda: emitted(system, order), lambda seen: seen == payment)  # noqa: B023
    superseded = before.updates("connect")["superseded"]
    await system.until(lambda seen: seen.updates("connect")["superseded"] >= superseded + 3)
    await system.knobs(clear_script=True)
    await told(system, order, "50.00")
    await system.until(lambda seen: not seen.pending("connect"))
    assert len(await updates(system, order, "connect")) <= 2
    assert await letters(system, order) == []


async def test_an_expired_token_is_renewed_once_and_no_update_is_lost(system: System) -> None:
    first, *orders = references(9)
    await add_order(system, first)
    await pay(system, first)
    await told(system, first, "100.50")
    tokens = await answered(system, "identity")
    await system.knobs(forget_tokens=True)
    for order in orders:
        await add_order(system, order)
        await pay(system, order)
    for order in orders:
        await told(system, order, "100.50")
    assert await answered(system, "identity") == tokens + 1
    assert await letters(system, *orders) == []


async def test_wrong_credentials_stop_the_sink_with_a_named_error_and_nothing_lost(system: System) -> None:
    (order,) = references()
    assert await system.stop("sink connect") == 0
    system.stack.environment["NORCE_CONNECT_CLIENT_SECRET"] = "not-the-secret"
    await system.start("sink connect")
    await add_order(system, order)
    await pay(system, order)
    process = system.stack.processes["sink connect"]
    assert await process.wait() == 1
    assert "TokenRefused" in process.log.read_text()
    assert "not-the-secret" not in process.log.read_text()

    system.stack.environment["NORCE_CONNECT_CLIENT_SECRET"] = "simulator"
    await system.start("sink connect")
    await told(system, order, "100.50")
