"""Checkout: finding the order of a basket, and writing the one attribute that is ours."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.checkout import CheckoutClient, CheckoutOrder, choose
from connectors.checkout.client import PAGE_SIZE, PAGES_MAX
from connectors.checkout.orders import read_page
from connectors.norce import NoChannel, Outcome, Rejected
from pipeline.settings import CheckoutChannel
from tests.clients.peer import Peer, Received, Reply
from tests.clients.support import CHANNEL, PatientClock, at_most, checkout_settings, metrics


@pytest.fixture
async def client(peer: Peer, clock: PatientClock) -> AsyncIterator[CheckoutClient]:
    async with client_for(peer, clock) as client:
        yield client


def client_for(peer: Peer, clock: PatientClock, **changes: Any) -> CheckoutClient:
    return CheckoutClient(checkout_settings(peer.url, **changes), clock=clock, uniform=at_most, metrics=metrics())


def order(identity: str, status: str = "accepted", day: int = 1, reference: str = "17") -> dict[str, Any]:
    return {
        "id": identity,
        "merchant": "merchant",
        "channel": "channel",
        "cart": {"reference": reference, "items": []},
        "created": f"2026-01-{day:02}T10:00:00.1234567Z",
        "state": {"currentStatus": status, "transitions": []},
        "customer": {"billing": {"email": "a@example.com"}},
    }


def page(*orders: dict[str, Any], offset: int = 0, total: int | None = None) -> Reply:
    pagination = {"limit": 100, "offset": offset, "size": len(orders), "totalSize": total or len(orders)}
    return Reply(body={"data": orders, "pagination": pagination})


async def test_an_order_is_searched_for_by_its_basket(peer: Peer, client: CheckoutClient) -> None:
    peer.script(page(order("a")))
    found = await client.find_order(CHANNEL, "17")
    assert found is not None
    assert (found.id, found.status, found.cart_reference) == ("a", "accepted", "17")
    assert found.created == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)
    assert peer.received[0].path == "/checkout/order/api/v1/checkout/orders"
    assert peer.received[0].query == {"cart_reference": "17", "limit": "100", "offset": "0"}
    headers = peer.received[0].headers
    assert (headers["authorization"], headers["x-merchant"], headers["x-channel"]) == (
        "Bearer primary",
        "merchant",
        "channel",
    )
    assert "x-adapterid" not in headers


@pytest.mark.parametrize("nothing", [Reply(404), Reply(404, b"<html>"), page()], ids=["404", "404 page", "empty"])
async def test_an_order_from_elsewhere_is_no_error(peer: Peer, client: CheckoutClient, nothing: Reply) -> None:
    peer.script(nothing)
    assert await client.find_order(CHANNEL, "17") is None
    assert len(peer.received) == 1


@pytest.mark.parametrize(
    ("orders", "chosen"),
    [
        ([order("a", "checkout", 2), order("b", "accepted", 1)], "b"),
        ([order("a", "checkout", 2), order("b", "completed", 1)], "b"),
        ([order("a", "accepted", 2), order("b", "completed", 1)], "a"),
        ([order("a", "checkout", 1), order("b", "processing", 2)], "b"),
        ([order("a", "declined", 2), order("b", "checkout", 1)], "a"),
        ([order("a", "removed", 2), order("b", "checkout", 1)], "b"),
        ([order("a", "removed", 2)], None),
        ([order("a", "Accepted", 1), order("b", "checkout", 2)], "a"),
        ([order("a", reference="18")], None),
        ([order("a", reference="18"), order("b", "checkout")], "b"),
    ],
)
async def test_of_several_orders_the_completed_or_else_the_newest_is_taken(
    peer: Peer, client: CheckoutClient, orders: list[dict[str, Any]], chosen: str | None
) -> None:
    peer.script(page(*orders))
    found = await client.find_order(CHANNEL, "17")
    assert (found.id if found else None) == chosen


ORDERS = st.builds(
    CheckoutOrder,
    id=st.text("ab", min_size=1, max_size=3),
    status=st.sampled_from(["checkout", "processing", "accepted", "completed", "declined", "removed", None]),
    created=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    cart_reference=st.sampled_from(["17", "18", None]),
)


@given(st.lists(ORDERS, max_size=6), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_answer(orders: list[CheckoutOrder], random: Any) -> None:
    chosen = choose(orders, "17")
    shuffled = list(orders)
    random.shuffle(shuffled)
    again = choose(shuffled, "17")
    assert (chosen and (chosen.id, chosen.created)) == (again and (again.id, again.created))
    if chosen is None:
        assert all(one.status == "removed" or one.cart_reference == "18" for one in orders)
    else:
        assert chosen.status != "removed"
        assert chosen.cart_reference != "18"


async def test_all_pages_are_read(peer: Peer, client: CheckoutClient) -> None:
    peer.script(
        page(order("a", "checkout"), order("b", "checkout"), total=3),  # the service may give less than asked for
        page(order("c", "accepted"), offset=2, total=3),
    )
    found = await client.find_order(CHANNEL, "17")
    assert found is not None
    assert found.id == "c"
    assert [received.query["offset"] for received in peer.received] == ["0", "2"]


async def test_pages_end_even_if_the_service_says_otherwise(peer: Peer, client: CheckoutClient) -> None:
    peer.handler = lambda _: page(order("a"), total=10**9)
    assert await client.find_order(CHANNEL, "17") is not None
    assert len(peer.received) == PAGES_MAX
    peer.received.clear()
    peer.handler = lambda _: page(total=10**9)
    assert await client.find_order(CHANNEL, "17") is None
    assert len(peer.received) == 1


async def test_without_pagination_a_full_page_is_followed_by_another(peer: Peer, client: CheckoutClient) -> None:
    full = [order(str(number), "checkout") for number in range(PAGE_SIZE)]
    peer.script(Reply(body={"data": full}), Reply(body={"data": [order("last")]}))
    found = await client.find_order(CHANNEL, "17")
    assert found is not None
    assert found.id == "last"


@pytest.mark.parametrize(
    "item",
    [
        {"id": "a"},
        {"id": "a", "state": None, "cart": None, "created": None},
        {"id": "a", "state": {"currentStatus": 7}, "created": "yesterday", "cart": {"reference": 17}},
        {"id": "a", "state": "accepted", "cart": [], "created": 5, "new": {}},
    ],
)
async def test_an_order_is_read_leniently(peer: Peer, client: CheckoutClient, item: dict[str, Any]) -> None:
    peer.script(page(item, {"id": None}, {}))
    found = await client.find_order(CHANNEL, "17")
    assert found is not None
    assert found.id == "a"


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["data", "pagination", "totalSize", "id", "state", "currentStatus", "cart", "created"]),
                inner,
                max_size=4,
            ),
        ),
    )
)
def test_no_answer_breaks_the_reading(document: Any) -> None:
    try:
        read = read_page(document)
    except ValueError:
        return
    choose(read.orders, "17")


async def test_the_one_attribute_is_written(peer: Peer, client: CheckoutClient) -> None:
    await client.patch_attributes(CHANNEL, "a", {"version": 3, "paid": {"SEK": "10.50"}})
    received = peer.received[0]
    assert (received.method, received.path) == ("PATCH", "/checkout/order/api/v1/checkout/orders/a/attributes")
    assert received.headers["content-type"] == "application/json"
    assert received.json == {"norcePipeline": {"version": 3, "paid": {"SEK": "10.50"}}}


async def test_the_attribute_and_the_adapter_are_settings(peer: Peer, clock: PatientClock) -> None:
    async with client_for(peer, clock, attribute="ours", adapter_id="adapter") as client:
        await client.patch_attributes(CHANNEL, "a", {})
    assert peer.received[0].json == {"ours": {}}
    assert peer.received[0].headers["x-adapterid"] == "adapter"


async def test_an_order_id_cannot_leave_its_place_in_the_path(peer: Peer, client: CheckoutClient) -> None:
    await client.patch_attributes(CHANNEL, "../a?b#c/ä", {})
    assert peer.received[0].target == ("/checkout/order/api/v1/checkout/orders/..%2Fa%3Fb%23c%2F%C3%A4/attributes")


async def test_an_order_that_is_gone_is_rejected(peer: Peer, client: CheckoutClient) -> None:
    peer.script(Reply(404, {"code": "order-not-found"}))
    with pytest.raises(Rejected) as caught:
        await client.patch_attributes(CHANNEL, "a", {})
    assert caught.value.attempt is not None
    assert caught.value.attempt.status == 404


async def test_a_buyers_data_in_an_unreadable_answer_is_not_kept(peer: Peer, client: CheckoutClient) -> None:
    peer.handler = lambda _: Reply(body={"orders": [order("a")]})
    with pytest.raises(Exception, match="given up") as caught:
        await client.find_order(CHANNEL, "17")
    assert "example.com" not in str(caught.value.describe())  # type: ignore[attr-defined]  # a NorceError


async def test_a_rotated_token_is_replaced(peer: Peer, clock: PatientClock) -> None:
    def rotated(received: Received) -> Reply:
        return Reply(200 if received.headers["authorization"] == "Bearer secondary" else 401)

    peer.handler = rotated
    async with client_for(peer, clock, secondary_token="secondary\n") as client:
        await client.patch_attributes(CHANNEL, "a", {})
        await client.patch_attributes(CHANNEL, "a", {})
    assert len(peer.received) == 3


def test_an_application_has_its_own_channel_or_the_common_one(peer: Peer, clock: PatientClock) -> None:
    own, common = CheckoutChannel(merchant="own", channel="own"), CheckoutChannel(merchant="all", channel="all")
    client = client_for(peer, clock, channels={"1:2": own, "*": common})
    assert client.channel_for(1, 2) == own
    assert client.channel_for(1, 3) == client.channel_for(12, 2) == common


def test_an_application_without_a_channel_is_named(peer: Peer, clock: PatientClock) -> None:
    client = client_for(peer, clock, channels={"1:2": CHANNEL})
    with pytest.raises(
        NoChannel, match="NORCE_CHECKOUT_CHANNELS names no channel for client 1, application 3"
    ) as caught:
        client.channel_for(1, 3)
    assert caught.value.outcome is Outcome.DEAD_LETTER


async def test_an_outage_shows_on_the_client(peer: Peer, clock: PatientClock) -> None:
    async with client_for(peer, clock, breaker_failures=1) as client:
        peer.script(Reply(503))
        with pytest.raises(Exception, match="left alone"):
            await client.find_order(CHANNEL, "17")
        assert client.breaker_open
        clock.now += 15
        await client.patch_attributes(CHANNEL, "a", {})
        await client.wait_until_closed()
