"""Reading details from Query on sockets: what is asked, what is read, and what is refused by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from connectors.norce import Patience, Rejected, TokenRefused, Unauthorized, Unavailable, Unfitting, Unknown
from connectors.query import DetailsReader, OrderName, QueryClient
from pipeline.settings import LookupSettings
from tests.clients.peer import Behaviour, Hang, Peer, Received, Reply
from tests.clients.support import LIMITS, PatientClock, at_most, metrics

ITEM = {
    "LineNumber": 1,
    "PartNo": "SKU-1",
    "ProductName": "A chair",
    "QtyOrdered": 2.0,
    "PriceSale": 100.05,
    "VatRate": 25.0,
    "LineAmount": 200.1,
}
ORDER = {"Id": 7, "ClientId": 1, "ApplicationId": 2, "CurrencyId": 3, "FreightCost": 39.2, "ClientOrderRef": "1001"}
SECRET = {"BuyerEmail": "planted@example.com", "DeliveryName": "Planted Person"}


class Query:
    """Answers by path, and keeps what it was asked."""

    def __init__(self, peer: Peer) -> None:
        self.rows: dict[str, Any] = {
            "Orders/Orders": [{**ORDER, **SECRET, "Items": [ITEM]}],
            "Orders/Invoices": [{"Id": 6, "ClientId": 1, "ReferenceOrderId": 7}],
            "Products/ProductSkus": [{"PartNo": "A'1", "ClientId": 1, "Product": {"DefaultName": "A chair"}}],
            "Core/Currencies": [{"Id": 3, "Code": "SEK"}],
        }
        self.asked: list[tuple[str, Received]] = []
        self.answers: list[Behaviour] = []
        self.tokens = 0
        peer.handler = self._answer

    def _answer(self, received: Received) -> Behaviour:
        if received.path.startswith("/identity"):
            self.tokens += 1
            return Reply(body={"access_token": f"t{self.tokens}", "expires_in": 3600})
        path = received.path.removeprefix("/commerce/query/3.0/")
        self.asked.append((path, received))
        if self.answers:
            return self.answers.pop(0)
        return Reply(body={"@odata.context": "...", "value": self.rows[path]})


@pytest.fixture
def query(peer: Peer) -> Query:
    return Query(peer)


@asynccontextmanager
async def reader_for(peer: Peer, **changes: Any) -> AsyncIterator[DetailsReader]:
    settings = LookupSettings(
        **{
            **LIMITS,
            "query_url": f"{peer.url}/commerce/query/3.0",
            "token_url": f"{peer.url}/identity/1.0/connect/token",
            "client_id": "client",
            "client_secret": "s3cret",
            "scope": "playground",
            **changes,
        }
    )
    async with QueryClient(settings, clock=PatientClock(), uniform=at_most, metrics=metrics()) as client:
        yield client.details


async def test_an_order_is_asked_for_by_its_id_with_its_lines_and_no_personal_field(peer: Peer, query: Query) -> None:
    async with reader_for(peer) as reader:
        found = await reader.order(2, "1001", order_id=7)
    _, received = query.asked[0]
    assert received.query["$filter"] == "ApplicationId eq 2 and Id eq 7"
    assert received.headers["applicationid"] == "2"
    assert received.query["$top"] == "1"
    selected = {*received.query["$select"].split(","), *received.query["$expand"].split("=")[1].rstrip(")").split(",")}
    assert selected == {*(name for name in ORDER if name != "ClientOrderRef"), *ITEM}
    assert (found.order_id, found.currency, found.freight) == (7, "SEK", Decimal("39.2"))
    (line,) = found.lines
    assert (line.part_no, line.line_amount, line.price_sale) == ("SKU-1", Decimal("200.1"), Decimal("100.05"))
    assert "lanted" not in repr(found)


@pytest.mark.parametrize(
    ("field", "reference", "comparison"),
    [
        ("ClientOrderRef", "1001", "ClientOrderRef eq '1001'"),
        ("ClientOrderRef", "x' or '1' eq '1", "ClientOrderRef eq 'x'' or ''1'' eq ''1'"),
        ("QuotationId", "1001", "QuotationId eq 1001"),
        ("QuotationId", "MP-1", "QuotationId eq 'MP-1'"),
    ],
)
async def test_an_order_without_an_id_is_asked_for_by_the_configured_field(
    peer: Peer, query: Query, field: str, reference: str, comparison: str
) -> None:
    row = {**ORDER, "Items": []}
    del row["ClientOrderRef"]
    query.rows["Orders/Orders"] = [
        {**row, field: int(reference) if field == "QuotationId" and reference.isdecimal() else reference}
    ]
    async with reader_for(peer, reference_field=field) as reader:
        assert (await reader.order(2, reference)).order_id == 7
    assert query.asked[0][1].query["$filter"] == f"ApplicationId eq 2 and {comparison}"
    assert field in query.asked[0][1].query["$select"].split(",")


async def test_names_are_read_as_either_reference_spells_them(peer: Peer, query: Query) -> None:
    def lower(row: dict[str, Any]) -> dict[str, Any]:
        return {name[:1].lower() + name[1:]: value for name, value in row.items()}

    query.rows["Orders/Orders"] = [{**lower(ORDER), "items": [lower(ITEM)]}]
    query.rows["Core/Currencies"] = [{"id": 3, "code": "SEK"}]
    async with reader_for(peer) as reader:
        assert (await reader.order(2, "1001")).lines[0].part_no == "SKU-1"


async def test_a_currency_is_asked_for_once(peer: Peer, query: Query) -> None:
    async with reader_for(peer) as reader:
        for _ in range(3):
            await reader.order(2, "1001", order_id=7)
    assert [path for path, _ in query.asked].count("Core/Currencies") == 1


async def test_an_invoice_leads_to_its_order(peer: Peer, query: Query) -> None:
    async with reader_for(peer) as reader:
        assert await reader.order_of_invoice(1, 2, 6) == OrderName(1, 2, "1001")
    assert [received.query["$filter"] for _, received in query.asked] == ["Id eq 6", "Id eq 7"]


async def test_a_product_has_a_name_or_none(peer: Peer, query: Query) -> None:
    async with reader_for(peer) as reader:
        assert await reader.product_name(1, 2, "A'1") == "A chair"
        assert query.asked[0][1].query["$filter"] == "ClientId eq 1 and PartNo eq 'A''1'"
        query.rows["Products/ProductSkus"] = [{"PartNo": "A'1", "ClientId": 1, "Product": None}]
        assert await reader.product_name(1, 2, "A'1") is None


async def test_what_query_does_not_know_is_said_at_once_and_is_no_outage(peer: Peer, query: Query) -> None:
    query.rows["Orders/Orders"] = []
    async with reader_for(peer, breaker_failures=1) as reader:
        for _ in range(3):
            with pytest.raises(Unknown):
                await reader.order(2, "1001")
    assert len(query.asked) == 3


@pytest.mark.parametrize(
    "row",
    [
        {**ORDER, "Id": 8, "Items": []},
        {**ORDER, "ApplicationId": 9, "Items": []},
        {**ORDER, "CurrencyId": "SEK", "Items": []},
        {**ORDER, "Items": [{**ITEM, "LineAmount": "much"}]},
        ORDER,
    ],
    ids=["another order", "another application", "no number", "no amount", "no lines"],
)
async def test_an_answer_that_is_not_what_was_asked_for_is_named_and_asked_for_once(
    peer: Peer, query: Query, row: dict[str, Any]
) -> None:
    query.rows["Orders/Orders"] = [{**row, **SECRET}]
    async with reader_for(peer, breaker_failures=1) as reader:
        for _ in range(2):
            with pytest.raises(Unfitting) as caught:
                await reader.order(2, "1001", order_id=7)
    assert len(query.asked) == 2
    assert "lanted" not in str(caught.value.describe())


async def test_another_product_or_invoice_than_was_asked_for_is_refused(peer: Peer, query: Query) -> None:
    query.rows["Products/ProductSkus"][0]["ClientId"] = 2
    query.rows["Orders/Invoices"][0]["ClientId"] = 2
    async with reader_for(peer) as reader:
        with pytest.raises(Unfitting):
            await reader.product_name(1, 2, "A'1")
        with pytest.raises(Unfitting):
            await reader.order_of_invoice(1, 2, 6)


async def test_a_gateways_page_and_a_server_error_are_tried_again(peer: Peer, query: Query) -> None:
    query.answers = [Reply(body=b"<html>"), Reply(503), Reply(429, headers={"retry-after": "3"})]
    async with reader_for(peer) as reader:
        assert (await reader.order(2, "1001", order_id=7)).order_id == 7


async def test_a_refused_call_is_final_and_a_hanging_one_is_given_up(peer: Peer, query: Query) -> None:
    query.answers = [Reply(400, {"error": {"code": "1", "message": "no such field"}})]
    async with reader_for(peer, attempt_timeout=0.1, deadline=5.0) as reader:
        with pytest.raises(Rejected) as caught:
            await reader.order(2, "1001", order_id=7)
        assert caught.value.attempt is not None
        assert caught.value.attempt.status == 400
        query.answers = [Hang()] * 100
        with pytest.raises(Unavailable):
            await reader.order(2, "1001", order_id=7, patience=Patience(5.0))


async def test_wrong_credentials_are_named(peer: Peer) -> None:
    peer.handler = lambda received: Reply(400 if received.path.startswith("/identity") else 401)
    async with reader_for(peer) as reader:
        with pytest.raises((TokenRefused, Unauthorized)):
            await reader.order(2, "1001")
