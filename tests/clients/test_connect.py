"""SendOrderStatus: which order is meant, what is sent, and how a status is kept."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connect import ConnectClient, OrderInfo
from connectors.connect.models import INT32_MAX, order_number
from connectors.norce import (
    NotConfigured,
    OrderNotFound,
    Outcome,
    Rejected,
    Unaddressable,
    Unavailable,
    UnknownOrderStatus,
)
from tests.clients.norce import Norce
from tests.clients.peer import Peer, Reply
from tests.clients.support import PatientClock, at_most, connect_settings, metrics

INFOS = [{"code": "payment", "value": "paid"}]


@pytest.fixture
def norce(peer: Peer) -> Norce:
    return Norce(peer)


@pytest.fixture
async def client(peer: Peer, clock: PatientClock) -> AsyncIterator[ConnectClient]:
    async with client_for(peer, clock) as client:
        yield client


def client_for(peer: Peer, clock: PatientClock, **changes: object) -> ConnectClient:
    return ConnectClient(connect_settings(peer.url, **changes), clock=clock, uniform=at_most, metrics=metrics())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("7", 7),
        ("1234567890", 1234567890),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("9999999999", None),
        ("12345678901", None),
        ("007", None),
        ("00", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("1\n", None),
        ("1_000", None),
        ("1.0", None),
        ("1e3", None),
        ("0x10", None),
        ("٣", None),
        ("²", None),
        ("", None),
        ("A-17", None),
    ],
)
def test_only_a_plain_int32_is_an_order_number(text: str, number: int | None) -> None:
    assert order_number(text) == number


@given(st.one_of(st.text(), st.integers().map(str), st.from_regex(r"\s?[+-]?0?[0-9]{1,11}\s?")))
def test_an_order_number_is_exactly_its_text(text: str) -> None:
    number = order_number(text)
    if number is not None:
        assert str(number) == text
        assert 0 <= number <= INT32_MAX
    elif text.isascii() and text.isdigit() and not text.startswith("0"):
        assert int(text) > INT32_MAX


@pytest.mark.parametrize(
    ("client_order_ref", "erp_order_no", "sent"),
    [
        ("17", None, {"ClientOrderRef": 17}),
        ("17", "E-1", {"ClientOrderRef": 17, "ErpOrderNo": "E-1"}),
        ("17", "", {"ClientOrderRef": 17}),
        ("A-17", "E-1", {"ErpOrderNo": "E-1"}),
        ("0017", "E-1", {"ErpOrderNo": "E-1"}),
    ],
)
async def test_the_order_is_named_by_all_that_connect_can_take(
    norce: Norce, client: ConnectClient, client_order_ref: str, erp_order_no: str | None, sent: dict[str, object]
) -> None:
    await client.send_order_status(client_order_ref, erp_order_no, INFOS, "Confirmed", application_id=1)
    expected = {**sent, "OrderStatus": "Confirmed", "Infos": [{"Code": "payment", "Value": "paid"}]}
    assert norce.connect[0].json == expected


@pytest.mark.parametrize("erp_order_no", [None, ""])
async def test_an_order_that_cannot_be_named_is_refused_before_any_call(
    peer: Peer, norce: Norce, client: ConnectClient, erp_order_no: str | None
) -> None:
    with pytest.raises(Unaddressable) as caught:
        await client.send_order_status("A-17", erp_order_no, INFOS, None, application_id=1)
    assert caught.value.outcome is Outcome.DEAD_LETTER
    assert peer.received == []


async def test_what_is_not_set_is_not_sent(norce: Norce, client: ConnectClient) -> None:
    await client.send_order_status("17", None, [], "Delivered", application_id=1)
    assert norce.connect[0].json == {"ClientOrderRef": 17, "OrderStatus": "Delivered"}


async def test_account_and_application_are_sent_when_configured(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    async with client_for(peer, clock, account_id=99, application_header="ApplicationId") as client:
        await client.send_order_status("17", None, [OrderInfo(code="c", value="v")], "Delivered", application_id=1042)
    assert norce.connect[0].json["AccountId"] == 99
    assert norce.connect[0].headers["applicationid"] == "1042"


async def test_no_application_header_is_sent_by_default(norce: Norce, client: ConnectClient) -> None:
    await client.send_order_status("17", None, [], "Delivered", application_id=1042)
    assert "1042" not in norce.connect[0].raw.decode()


@pytest.mark.parametrize("status", ["confirmed", "Shipped", ""])
async def test_a_status_connect_does_not_know_is_refused_before_any_call(
    peer: Peer, norce: Norce, client: ConnectClient, status: str
) -> None:
    with pytest.raises(UnknownOrderStatus):
        await client.send_order_status("17", None, [], status, application_id=1)
    assert peer.received == []


NUMBERS = [
    (0, "Created"),
    (1, "Allocation"),
    (2, "Confirmed"),
    (4, "Delivered"),
    (5, "Invoiced"),
    (6, "Cancelled"),
    (8, "PartlyDelivered"),
]


@pytest.mark.parametrize(("number", "name"), NUMBERS)
async def test_an_order_keeps_the_status_it_has(norce: Norce, client: ConnectClient, number: int, name: str) -> None:
    norce.orders = [{"Id": 5, "OrderNo": "1", "ClientOrderRef": "17", "StatusId": number, "Email": "a@example.com"}]
    await client.send_order_status("17", None, INFOS, None, application_id=1042)
    assert norce.connect[0].json["OrderStatus"] == name
    assert norce.query[0].headers["applicationid"] == "1042"
    assert norce.query[0].query == {"$filter": "ClientOrderRef eq '17'", "$top": "1"}
    assert norce.query[0].headers["authorization"] == norce.connect[0].headers["authorization"]
    assert len(norce.identity) == 1


async def test_the_status_is_read_anew_before_every_attempt(norce: Norce, client: ConnectClient) -> None:
    order = {"ClientOrderRef": 17, "StatusId": 2}
    norce.orders = [order]
    norce.connect_answers = [Reply(500)]
    remember = norce.connect.append

    class Moving(list[object]):
        def append(self, received: object) -> None:
            remember(received)  # type: ignore[arg-type]  # what the peer got
            order["StatusId"] = 6  # cancelled by somebody else, after the first attempt

    sent, norce.connect = norce.connect, Moving()  # type: ignore[assignment]  # as above
    await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert [received.json["OrderStatus"] for received in sent] == ["Confirmed", "Cancelled"]


async def test_a_quote_in_a_reference_cannot_widen_the_search(norce: Norce, client: ConnectClient) -> None:
    norce.orders = [{"ClientOrderRef": "x' or '1' eq '1", "StatusId": 2}]
    await client.send_order_status("x' or '1' eq '1", "E-1", INFOS, None, application_id=1)
    assert norce.query[0].query["$filter"] == "ClientOrderRef eq 'x'' or ''1'' eq ''1'"


@pytest.mark.parametrize("number", [3, 7, 9, -1, 99])
async def test_a_status_number_without_a_name_is_not_guessed(norce: Norce, client: ConnectClient, number: int) -> None:
    norce.orders = [{"ClientOrderRef": "17", "StatusId": number}]
    with pytest.raises(UnknownOrderStatus) as caught:
        await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert caught.value.outcome is Outcome.DEAD_LETTER
    assert norce.connect == []


async def test_an_order_query_does_not_know_is_looked_for_until_the_deadline(
    norce: Norce, client: ConnectClient, clock: PatientClock
) -> None:
    with pytest.raises(OrderNotFound) as caught:
        await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert caught.value.outcome is Outcome.DEAD_LETTER
    assert caught.value.attempt is not None
    assert (caught.value.attempt.status, caught.value.attempt.answer) == (200, "")
    assert len(norce.query) > 5
    assert 60 < clock.now <= 120
    assert norce.connect == []


async def test_not_knowing_an_order_is_no_outage_of_query(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    async with client_for(peer, clock, breaker_failures=2) as client:
        with pytest.raises(OrderNotFound):
            await client.send_order_status("17", None, INFOS, None, application_id=1)


async def test_an_outage_after_not_knowing_an_order_is_an_outage(
    peer: Peer, norce: Norce, client: ConnectClient
) -> None:
    knowing_nothing = peer.handler
    peer.handler = lambda received: Reply(500) if len(norce.query) > 5 else knowing_nothing(received)
    with pytest.raises(Unavailable) as caught:
        await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert caught.value.outcome is Outcome.RETRY


async def test_an_order_that_appears_in_query_later_is_found(
    norce: Norce, client: ConnectClient, clock: PatientClock
) -> None:
    async def sleep(seconds: float) -> None:
        norce.orders = [{"ClientOrderRef": "17", "StatusId": 1}]

    clock.sleep = sleep  # type: ignore[method-assign]  # time brings the order
    await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert norce.connect[0].json["OrderStatus"] == "Allocation"


async def test_another_orders_status_is_never_taken(norce: Norce, client: ConnectClient) -> None:
    norce.orders = [{"ClientOrderRef": "18", "StatusId": 6, "Email": "a@example.com"}]
    with pytest.raises(Unavailable) as caught:
        await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert norce.connect == []
    assert "example.com" not in str(caught.value.describe())


@pytest.mark.parametrize("order", [{}, {"ClientOrderRef": "17"}, {"ClientOrderRef": "17", "StatusId": None}])
async def test_an_order_without_a_status_is_no_answer(
    norce: Norce, client: ConnectClient, order: dict[str, object]
) -> None:
    norce.orders = [order]
    with pytest.raises(Unavailable):
        await client.send_order_status("17", None, INFOS, None, application_id=1)
    assert norce.connect == []


async def test_keeping_a_status_needs_a_query_url(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    async with client_for(peer, clock, query_url=None) as client:
        with pytest.raises(NotConfigured, match="NORCE_CONNECT_QUERY_URL is not set") as caught:
            client.require_reader()
        assert caught.value.outcome is Outcome.STOP
        with pytest.raises(NotConfigured):
            await client.send_order_status("17", None, INFOS, None, application_id=1)
        assert peer.received == []
        await client.send_order_status("17", None, INFOS, "Confirmed", application_id=1)
    assert len(norce.connect) == 1


async def test_what_connect_refuses_is_told_with_request_and_answer(norce: Norce, client: ConnectClient) -> None:
    norce.connect_answers = [Reply(400, {"Message": "unknown code"})]
    with pytest.raises(Rejected) as caught:
        await client.send_order_status("17", None, INFOS, "Confirmed", application_id=1)
    assert caught.value.attempt is not None
    assert caught.value.attempt.request == norce.connect[0].json
    assert caught.value.attempt.answer == '{"Message": "unknown code"}'


async def test_an_outage_shows_on_the_client(peer: Peer, norce: Norce, clock: PatientClock) -> None:
    async with client_for(peer, clock, breaker_failures=1) as client:
        norce.connect_answers = [Reply(500)]
        with pytest.raises(Exception, match="left alone"):
            await client.send_order_status("17", None, INFOS, "Confirmed", application_id=1)
        assert client.breaker_open
        clock.now += 15
        await client.send_order_status("17", None, INFOS, "Confirmed", application_id=1)
        await client.wait_until_closed()
