"""What the simulator tells about itself, and how it is steered from another process."""

from typing import Any

import httpx
import pytest

from connectors.simulator import AddressInUse, Simulator
from tests.simulator.support import Client, references, services, settings, virtual, webhook


@pytest.mark.parametrize(
    "changes",
    [
        {"failures": 1.5},
        {"failures": "0.5"},
        {"rate": 0},
        {"no_such_knob": 1},
        {"script": [{"service": "connect", "kind": "explode"}]},
        {"script": [{"service": "elsewhere", "kind": "drop"}]},
        {"script": [{"service": "connect", "kind": "drop", "times": 0}]},
        {"script": [{"service": "connect", "kind": "drop"}] * 10_001},
    ],
)
async def test_a_knob_that_does_not_exist_or_fit_changes_nothing(changes: dict[str, Any]) -> None:
    async with services() as (_, client):
        before = await client.ask("knobs")
        answer = await client.turn(latency=0.5, **changes)
        assert answer.status_code == 400
        assert next(iter(changes)) in answer.json()["error"]
        assert await client.ask("knobs") == before


async def test_knobs_begin_as_the_settings_say_and_change_one_by_one() -> None:
    async with services(failures=0.25, latency=0.0) as (_, client):
        assert (await client.ask("knobs"))["failures"] == 0.25
        changed = (await client.turn(lost_answers=0.5)).json()
        assert (changed["failures"], changed["lost_answers"]) == (0.25, 0.5)


async def test_waiting_scripted_answers_can_be_cleared() -> None:
    async with services() as (_, client):
        await client.turn(script=[{"service": "connect", "kind": "drop"}] * 3)
        cleared = await client.turn(clear_script=True, script=[{"service": "query", "kind": "drop"}])
        assert [answer["service"] for answer in cleared.json()["script"]] == ["query"]


async def test_the_state_tells_how_far_the_scenario_is() -> None:
    async with virtual(orders=10, bad=0.2) as (norce, _), httpx.AsyncClient() as http:
        await norce.finished()
        state = await Client(norce, http).ask("state")
        expected = norce.scenario.expectation()
        assert state["finished"]
        assert state["orders"] == 10
        events = state["events"]
        assert events["created_by_type"] == expected.events
        assert events["flawed"] == expected.flawed
        assert events["accepted"] == events["to_send"] == events["created"] == norce.scenario.size()
        assert events["attempts"] == {"200": events["accepted"]}


async def test_calls_are_told_in_their_order_page_by_page() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        for number in range(5):
            await client.send_status(reference, Infos=[{"Code": "N", "Value": str(number)}])
        first = await client.ask("calls", limit=2, service="connect")
        assert first["total"] == 6  # one of them to Identity
        rest = await client.ask("calls", offset=first["calls"][-1]["number"] + 1, service="connect")
        calls = first["calls"] + rest["calls"]
        assert [call["operation"] for call in calls] == ["SendOrderStatus"] * 5
        assert [call["status"] for call in calls] == [200] * 5
        assert {call["order"] for call in calls} == {reference}
        assert '"Value":"4"' in calls[-1]["body"]
        assert [call["at"] for call in calls] == sorted(call["at"] for call in calls)


async def test_an_order_is_told_with_its_events_and_updates() -> None:
    async with virtual(orders=60) as (norce, _), httpx.AsyncClient() as http:
        await norce.finished()
        client = Client(norce, http)
        script = next(order for order in norce.scenario.orders() if len(order.payments) == 2 and not order.external)
        reference = script.client_order_ref
        await client.send_status(reference, "Invoiced")
        told = await client.ask(f"orders/{reference}")
        assert told["order_no"] == script.erp_order_no
        assert {payment["amount"] for payment in told["payments"]} == {str(each.amount) for each in script.payments}
        assert len(told["events"]) == len(script.steps)
        assert {event["fate"] for event in told["events"]} == {"accepted"}
        assert [update["operation"] for update in told["updates"]] == ["SendOrderStatus"]
        assert told["checkout_orders"][-1]["cart"] == {"reference": reference}


async def test_an_order_with_a_slash_and_a_quote_in_its_reference_is_told_too() -> None:
    async with services(orders=100) as (norce, client):
        for mark in ("/", "'", ":"):
            reference = next(
                order.client_order_ref for order in norce.scenario.orders() if mark in order.client_order_ref
            )
            assert (await client.ask(f"orders/{reference}"))["client_order_ref"] == reference


async def test_orders_and_events_are_listed_page_by_page() -> None:
    async with virtual(orders=10) as (norce, _), httpx.AsyncClient() as http:
        await norce.finished()
        client = Client(norce, http)
        orders = await client.ask("orders", limit=4, offset=8)
        assert (orders["total"], len(orders["orders"])) == (10, 2)
        events = await client.ask("events", limit=3)
        assert events["total"] == norce.scenario.size()
        assert [event["number"] for event in events["events"]] == [0, 1, 2]
        assert all(len(event["sha256"]) == 64 for event in events["events"])


async def test_unknown_orders_and_wrong_pages_are_named() -> None:
    async with services() as (norce, client):
        assert (await client.http.get(f"{norce.url}/simulator/orders/none")).status_code == 404
        assert (await client.http.get(f"{norce.url}/simulator/calls?offset=x")).status_code == 400
        for body in (b"{", b"[]"):
            assert (await client.http.post(f"{norce.url}/simulator/knobs", content=body)).status_code == 400


async def test_an_order_of_ones_own_can_be_added_and_updated() -> None:
    async with services() as (norce, client):
        order = {"client_id": 1, "application_id": 2, "client_order_ref": "77", "merchant": "m", "channel": "c"}
        url = f"{norce.url}/simulator/orders"
        assert (await client.http.post(url, json=order)).status_code == 201
        assert (await client.http.post(url, json=order)).status_code == 409
        assert (await client.http.post(url, json={"client_id": "1"})).status_code == 400
        assert (await client.send_status("77")).status_code == 200
        (checkout_order,) = norce.checkout_orders.of_basket("77")
        assert (checkout_order.merchant, checkout_order.channel) == ("m", "c")


async def test_a_body_of_ones_own_is_posted_as_it_is() -> None:
    body = b'{"ClientId": \xff'
    async with virtual(orders=0) as (norce, hook), httpx.AsyncClient() as http:
        answer = await http.post(f"{norce.url}/simulator/events/OrderReceivedEvent?order=77", content=body)
        assert answer.status_code == 202
        await norce.finished()
        assert [(post.event_type, post.body) for post in hook.posts] == [("OrderReceivedEvent", body)]
        assert norce.deliveries.by_order["77"][0].event.number == answer.json()["number"]


async def test_without_a_webhook_nothing_can_be_posted() -> None:
    async with services() as (norce, client):
        answer = await client.http.post(f"{norce.url}/simulator/events/OrderReceivedEvent", content=b"{}")
        assert answer.status_code == 409


async def test_cancelling_through_connect_comes_back_as_an_event() -> None:
    async with virtual(orders=20) as (norce, hook), httpx.AsyncClient() as http:
        await norce.finished()
        client = Client(norce, http)
        order = next(each for each in norce.commerce.orders() if each.status == "Created")
        hook.posts.clear()
        for _ in range(2):
            body = {"ErpOrderNo": order.order_no}
            assert (await client.connect("CancelOrder", body)).status_code == 200
        await norce.finished()
        assert [post.event_type for post in hook.posts] == ["OrderCancelledEvent"]


async def test_a_port_in_use_is_named() -> None:
    async with Simulator(settings()) as first:
        with pytest.raises(AddressInUse, match=str(first.port)):
            async with Simulator(settings(port=first.port)):
                pass


async def test_the_secret_is_not_told() -> None:
    async with webhook() as hook, Simulator(settings(webhook_url=hook.url)) as norce, httpx.AsyncClient() as http:
        await norce.finished()
        client = Client(norce, http)
        told = [await client.ask(page) for page in ("state", "knobs", "calls", "events", "orders")]
        assert "the webhook's secret" not in str(told)
