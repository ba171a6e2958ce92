"""Connect, Query and Checkout: what they take, what they refuse, and what then is true."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from connectors.simulator import Simulator
from connectors.simulator.script import Step
from tests.simulator.support import references, services


def with_steps(norce: Simulator, *steps: Step) -> str:
    """The reference of an order made in Norce that takes exactly these steps."""
    return next(
        order.client_order_ref for order in norce.scenario.orders() if order.steps == steps and not order.external
    )


# Connect


async def test_infos_are_set_by_code_and_the_status_by_name() -> None:
    async with services(orders=60) as (norce, client):
        reference = with_steps(norce, Step.RECEIVED)
        infos = [{"Code": "PAID", "Value": "10.00"}, {"Code": "REF"}]
        assert (await client.send_status(reference, "Created", Infos=infos)).status_code == 200
        later = [{"Code": "PAID", "Value": "20.00"}]
        assert (await client.send_status(reference, "Confirmed", Infos=later)).status_code == 200
        order = client.order(reference)
        assert order.infos == {"PAID": "20.00", "REF": None}
        assert (order.status, order.status_number) == ("Confirmed", 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ClientOrderRef": "12", "OrderStatus": "Confirmed"}, "ClientOrderRef"),
        ({"ClientOrderRef": 2**31, "OrderStatus": "Confirmed"}, "int32"),
        ({"ClientOrderRef": True, "OrderStatus": "Confirmed"}, "ClientOrderRef"),
        ({"ClientOrderRef": 12}, "OrderStatus"),
        ({"OrderStatus": "Confirmed"}, "ClientOrderRef"),
        ({"ClientOrderRef": 12, "OrderStatus": "Shipped"}, "Shipped"),
        ({"ClientOrderRef": 12, "OrderStatus": None}, "OrderStatus"),
        ({"ClientOrderRef": 12, "OrderStatus": "Confirmed", "Infos": [{"Value": "x"}]}, "Code"),
        ({"ClientOrderRef": 12, "OrderStatus": "Confirmed", "Infos": [{"Code": "x", "Value": 1}]}, "Infos[0].Value"),
        ({"ErpOrderNo": None, "ClientOrderRef": 12, "OrderStatus": "Confirmed"}, "ErpOrderNo"),
        ([], "object"),
    ],
)
async def test_a_status_that_does_not_fit_the_contract_is_refused_with_what_is_wrong(body: Any, said: str) -> None:
    async with services() as (norce, client):
        answer = await client.connect("SendOrderStatus", body)
        assert answer.status_code == 400
        assert said in answer.json()["message"]
        assert norce.state()["remarks"] == {"refused": 1}


async def test_a_body_that_is_not_json_is_refused() -> None:
    async with services() as (norce, client):
        url = f"{norce.urls['connect_url']}/Order/SendOrderStatus"
        headers = {**await client.bearer(), "Content-Type": "application/json"}
        for body in (b"", b"{", b'{"ClientOrderRef": NaN}', b"\xff"):
            assert (await client.http.post(url, content=body, headers=headers)).status_code == 400
        text = {**headers, "Content-Type": "text/plain"}
        assert (await client.http.post(url, content=b"{}", headers=text)).status_code == 400


async def test_an_external_order_is_found_by_its_number() -> None:
    async with services(orders=60) as (norce, client):
        script = next(order for order in norce.scenario.orders() if order.external)
        number = client.order(script.client_order_ref).order_no
        answer = await client.connect("SendOrderStatus", {"ErpOrderNo": number, "OrderStatus": "Delivered"})
        assert answer.status_code == 200
        assert len(client.order(script.client_order_ref).updates) == 1


async def test_an_unknown_order_is_refused() -> None:
    async with services() as (norce, client):
        assert (await client.send_status("12")).status_code == 400
        reference = references(norce)[0]
        elsewhere = await client.connect(
            "SendOrderStatus", {"ClientOrderRef": int(reference), "OrderStatus": "Confirmed"}, ApplicationId="1"
        )
        assert elsewhere.status_code == 400
        assert norce.state()["remarks"] == {"unknown_order": 2}


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer simulator-primary", "Basic x", "Bearer"])
async def test_connect_and_query_let_nobody_in_without_a_token_of_identity(header: str | None) -> None:
    async with services() as (norce, client):
        headers = {"Authorization": header} if header else {}
        posted = await client.http.post(f"{norce.urls['connect_url']}/Order/SendOrderStatus", json={}, headers=headers)
        read = await client.http.get(f"{norce.urls['query_url']}/Orders/Orders", headers=headers)
        assert (posted.status_code, read.status_code) == (401, 401)


async def test_an_order_keeps_a_status_that_is_further() -> None:
    async with services(orders=60) as (norce, client):
        reference = with_steps(norce, Step.RECEIVED, Step.CANCELLED)
        assert (await client.send_status(reference, "Confirmed")).status_code == 200
        assert client.order(reference).status == "Cancelled"
        assert norce.state()["remarks"] == {"earlier_status_sent": 1}


async def test_a_former_order_number_does_not_replace_the_newest() -> None:
    async with services(orders=60) as (norce, client):
        reference = with_steps(norce, Step.RECEIVED, Step.PAYMENT, Step.CONFIRMED)
        number = client.order(reference).order_no
        await client.send_status(reference, ErpOrderNo=reference)
        assert client.order(reference).order_no == number
        assert norce.state()["remarks"] == {"former_number_sent": 1}
        await client.send_status(reference, ErpOrderNo="ERP-NEW")
        assert client.order(reference).order_no == "ERP-NEW"


async def test_invoices_and_delivery_notes_are_taken_once() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        date, ref = "2026-01-02T00:00:00+01:00", int(reference)
        invoice = {"ClientOrderRef": ref, "CurrencyCode": "SEK", "InvoiceDate": date, "InvoiceNo": "1"}
        note = {"OrderNo": client.order(reference).order_no, "NoteNo": "1", "DeliveryDate": date}
        for operation, body in (("CreateInvoice", {**invoice, "SuppressPspCall": True}), ("CreateDeliveryNote", note)):
            assert (await client.connect(operation, body)).status_code == 200
            assert (await client.connect(operation, body)).status_code == 400
        assert norce.state()["violations"] == {}


async def test_a_call_that_moves_money_is_seen() -> None:
    async with services() as (norce, client):
        ref = int(references(norce)[0])
        invoice = {"ClientOrderRef": ref, "CurrencyCode": "SEK", "InvoiceDate": "2026-01-02T00:00:00Z"}
        await client.connect("CreateInvoice", invoice)
        await client.connect("CreditPayment", invoice)
        await client.connect("CancelOrder", {"ClientOrderRef": ref, "Payments": [{"PaymentRef": "x"}]})
        assert norce.state()["violations"] == {"money_moved": 3}


async def test_a_path_that_is_not_simulated_is_answered_404_and_counted() -> None:
    async with services() as (norce, client):
        assert (await client.connect("Elsewhere", {})).status_code == 404
        assert norce.state()["calls"]["connect"] == {"404": 1}


# Query


async def test_query_finds_an_order_by_reference_and_by_number() -> None:
    async with services(orders=200) as (norce, client):
        script = next(order for order in norce.scenario.orders() if order.client_order_ref.startswith("MP '"))
        order = client.order(script.client_order_ref)
        for field, text in (("ClientOrderRef", order.client_order_ref), ("OrderNo", order.order_no)):
            quoted = text.replace("'", "''")
            found = (await client.query(order.application_id, filter=f"{field} eq '{quoted}'", top=1)).json()["value"]
            assert [each["Id"] for each in found] == [order.order_id]
        assert found[0]["StatusId"] == order.status_number


async def test_query_tells_of_one_application_only() -> None:
    async with services(orders=60) as (norce, client):
        reference = references(norce)[0]
        order = client.order(reference)
        other = 1011 if order.application_id != 1011 else 1012
        answer = await client.query(other, filter=f"ClientOrderRef eq '{reference}'")
        assert answer.json() == {"value": []}


async def test_query_pages_through_all_orders() -> None:
    async with services(orders=60) as (norce, client):
        everything = [order.order_id for order in norce.commerce.orders() if order.application_id == 1031]
        paged: list[int] = []
        while page := (await client.query(1031, top=4, skip=len(paged))).json()["value"]:
            assert len(page) <= 4
            paged += [order["Id"] for order in page]
        assert paged == everything


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "Source eq 1"},
        {"filter": "ClientOrderRef eq 'a'b'"},
        {"filter": "Id eq 1 or Id eq 2"},
        {"select": "Nothing"},
        {"expand": "Id"},
        {"top": 0},
        {"top": "x"},
        {"skip": -1},
    ],
)
async def test_query_refuses_what_it_does_not_understand(options: dict[str, Any]) -> None:
    async with services() as (_, client):
        assert (await client.query(1011, **options)).status_code == 400


async def test_query_needs_an_application() -> None:
    async with services() as (norce, client):
        answer = await client.http.get(f"{norce.urls['query_url']}/Orders/Orders", headers=await client.bearer())
        assert answer.status_code == 400
        assert "ApplicationId" in answer.json()["error"]["message"]


async def test_query_tells_what_connect_has_set() -> None:
    async with services(orders=60) as (norce, client):
        reference = with_steps(norce, Step.RECEIVED)
        await client.send_status(reference, "Delivered")
        found = await client.query(client.order(reference).application_id, filter=f"ClientOrderRef eq '{reference}'")
        assert found.json()["value"][0]["StatusId"] == 4


async def test_the_lines_of_an_order_come_to_what_its_payments_come_to() -> None:
    async with services(orders=60) as (norce, client):
        for script in norce.scenario.orders():
            asked = {"filter": f"Id eq {script.order_id}", "select": "Id,FreightCost", "expand": "Items"}
            (row,) = (await client.query(script.shop.application_id, **asked)).json()["value"]
            assert set(row) == {"Id", "FreightCost", "Items"}
            amounts = [Decimal(repr(item["LineAmount"])) for item in row["Items"]]
            for item in row["Items"]:
                assert Decimal(repr(item["PriceSale"])) * Decimal(repr(item["QtyOrdered"])) == Decimal(
                    repr(item["LineAmount"])
                )
            paid = sum(payment.amount or 0 for payment in script.payments)
            assert sum(amounts) * Decimal("1.25") == paid


async def test_an_invoice_names_its_order_and_a_part_number_its_product() -> None:
    async with services() as (norce, client):
        script = next(iter(norce.scenario.orders()))
        client_id, application = script.shop.client_id, script.shop.application_id
        (invoice,) = (await client.query(application, "Orders/Invoices", filter=f"Id eq {script.invoice_id}")).json()[
            "value"
        ]
        assert invoice == {"Id": script.invoice_id, "ClientId": client_id, "ReferenceOrderId": script.order_id}
        named = {"filter": f"ClientId eq {client_id} and PartNo eq 'SKU-7'", "expand": "Product($select=DefaultName)"}
        (sku,) = (await client.query(application, "Products/ProductSkus", **named)).json()["value"]
        assert sku["Product"] == {"DefaultName": "Chair no. 7 of oak"}
        for part_no in ("SKU-500", "SKU-07", "nothing"):
            unknown = f"ClientId eq {client_id} and PartNo eq '{part_no}'"
            assert (await client.query(application, "Products/ProductSkus", filter=unknown)).json() == {"value": []}


async def test_two_readers_of_one_order_overlap_and_that_is_no_violation() -> None:
    async with services(latency=0.05) as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        application = client.order(reference).application_id
        await asyncio.gather(*[client.query(application, filter=f"ClientOrderRef eq '{reference}'") for _ in range(4)])
        assert norce.state()["violations"] == {}


# Checkout


async def test_attributes_are_merged_by_key() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        path = f"/{await client.checkout_id(reference)}"
        for attributes in ({"a": {"x": 1}, "b": 1}, {"a": {"y": 2}}):
            patched = await client.checkout("PATCH", f"{path}/attributes", reference, json=attributes)
            assert (patched.status_code, patched.content) == (200, b"")
        order = (await client.checkout("GET", path, reference)).json()
        assert order["attributes"] == {"a": {"y": 2}, "b": 1}
        assert order["lastModified"] > order["created"]
        assert order["cart"]["reference"] == reference


async def test_a_basket_without_checkout_order_is_an_empty_page() -> None:
    async with services(orders=60) as (norce, client):
        external = next(order for order in norce.scenario.orders() if order.external)
        page = await client.checkout(
            "GET", "", references(norce)[0], params={"cart_reference": external.client_order_ref}
        )
        assert page.json() == {"data": [], "pagination": {"offset": 0, "limit": 10, "size": 0, "totalSize": 0}}


async def test_checkout_pages() -> None:
    async with services(orders=60) as (norce, client):
        reference = references(norce)[0]
        everything = (await client.checkout("GET", "", reference, params={"limit": 100})).json()
        paged: list[str] = []
        while page := (await client.checkout("GET", "", reference, params={"limit": 3, "offset": len(paged)})).json():
            assert page["pagination"]["totalSize"] == everything["pagination"]["totalSize"]
            if not page["data"]:
                break
            paged += [order["id"] for order in page["data"]]
        assert paged == [order["id"] for order in everything["data"]]
        assert len(paged) > 3


async def test_an_abandoned_checkout_order_of_the_basket_is_there_too() -> None:
    async with services(orders=100) as (norce, client):
        reference = next(each for each in references(norce) if len(norce.checkout_orders.of_basket(each)) == 2)
        page = (await client.checkout("GET", "", reference, params={"cart_reference": reference})).json()
        first, second = [order["state"]["currentStatus"] for order in page["data"]]
        assert first in ("checkout", "declined")
        assert second in ("accepted", "completed")

        for place, violations in ((1, {}), (0, {"other_checkout_order": 1})):
            path = f"/{page['data'][place]['id']}/attributes"
            assert (await client.checkout("PATCH", path, reference, json={"a": 1})).status_code == 200
            assert norce.state()["violations"] == violations


async def test_an_unknown_checkout_order_is_404_with_an_error_body() -> None:
    async with services(orders=60) as (norce, client):
        reference = references(norce)[0]
        answer = await client.checkout("PATCH", "/nowhere/attributes", reference, json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "order-not-found")
        elsewhere = next(
            each for each in references(norce) if client.order(each).client_id != client.order(reference).client_id
        )
        answer = await client.checkout("GET", f"/{await client.checkout_id(elsewhere)}", reference)
        assert answer.status_code == 404


async def test_both_static_tokens_open_checkout_and_nothing_else_does() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        for token in ("simulator-primary", "simulator-secondary"):
            assert (await client.checkout("GET", "", reference, token=token)).status_code == 200
        commerce = (await client.bearer())["Authorization"].removeprefix("Bearer ")
        for token in ("wrong", commerce):
            assert (await client.checkout("GET", "", reference, token=token)).status_code == 401


@pytest.mark.parametrize("missing", ["x-merchant", "x-channel"])
async def test_checkout_needs_merchant_and_channel(missing: str) -> None:
    async with services() as (norce, client):
        headers = {"Authorization": "Bearer simulator-primary", "x-merchant": "a", "x-channel": "b"}
        del headers[missing]
        answer = await client.http.get(f"{norce.urls['checkout_url']}/checkout/orders", headers=headers)
        assert answer.status_code == 400
        assert missing in answer.json()["message"]


@pytest.mark.parametrize("body", [[], "x", None])
async def test_attributes_have_to_be_an_object(body: Any) -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        path = f"/{await client.checkout_id(reference)}/attributes"
        assert (await client.checkout("PATCH", path, reference, json=body)).status_code == 400


@pytest.mark.parametrize("query", [{"limit": "x"}, {"status": "unheard"}, {"order_by": "cartTotal"}, {"offset": -1}])
async def test_checkout_refuses_a_query_it_does_not_understand(query: dict[str, Any]) -> None:
    async with services() as (norce, client):
        assert (await client.checkout("GET", "", references(norce)[0], params=query)).status_code == 400
