"""The contracts that ship say what Norce's do, for the operations that are served."""

from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from connectors.simulator.contract import Contract
from connectors.simulator.services import Service
from tests.simulator.support import references, services
from tests.support.norce import norce_document

NAMES = ("identity", "connect", "query", "checkout")
_WORDS = {"description", "summary", "tags", "externalDocs"}


def norces(file: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(norce_document(file).read_text(encoding="utf-8"))
    return document


def facts(node: Any, document: dict[str, Any], *, names_follow: bool = False, inside: tuple[str, ...] = ()) -> Any:
    """A part of a document without its words, with its references followed (a cycle ends at its name)."""
    if isinstance(node, list):
        return [facts(each, document, inside=inside) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node and not names_follow:
        name = node["$ref"]
        if name in inside:
            return name
        target: Any = document
        for part in name.removeprefix("#/").split("/"):
            target = target[part]
        return facts(target, document, inside=(*inside, name))
    return {
        name: facts(value, document, names_follow=name == "properties" and not names_follow, inside=inside)
        for name, value in node.items()
        if names_follow or not (name in _WORDS or name.startswith("x-"))
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_is_a_valid_openapi_document(name: str) -> None:
    validate(Contract(name).document)


@pytest.mark.parametrize(
    ("name", "file"),
    [("connect", "connect-order-service.openapi.yaml"), ("checkout", "checkout-order.openapi.yaml")],
)
def test_a_contract_agrees_with_norces_for_every_operation_served(name: str, file: str) -> None:
    ours, theirs = Contract(name).document, norces(file)
    for path, item in ours["paths"].items():
        for method, operation in item.items():
            expected = facts(theirs["paths"][path][method], theirs)
            assert facts(operation, ours) == expected, f"{method} {path}"


def test_all_calls_of_connect_are_served() -> None:
    theirs = norces("connect-order-service.openapi.yaml")
    assert set(Contract("connect").document["paths"]) == set(theirs["paths"])


def test_the_comparison_sees_a_difference() -> None:
    theirs = norces("checkout-order.openapi.yaml")
    path = "/checkout/orders/{orderId}"
    before = facts(theirs["paths"][path]["get"], theirs)
    theirs["components"]["schemas"]["Price"]["properties"]["includingVat"]["type"] = "string"
    assert facts(theirs["paths"][path]["get"], theirs) != before


def response_problems(service: Service | str, operation: str, status: int, content: Any) -> list[str]:
    """What is wrong with an answer, by the contract."""
    contract = Contract(service if isinstance(service, str) else service.name)
    described = next(
        method
        for item in contract.document["paths"].values()
        for method in item.values()
        if method["operationId"] == operation
    )
    schema = described["responses"][str(status)]["content"]["application/json"]["schema"]
    return [error.message for error in contract.validator(schema).iter_errors(content)]


async def test_every_answer_with_a_body_is_as_the_contract_says() -> None:
    async with services(orders=30) as (norce, client):
        reference = references(norce)[0]
        order = client.order(reference)
        token = (await client.ask_for_token()).json()
        assert response_problems("identity", "GetToken", 200, token) == []
        refused = (await client.ask_for_token(client_secret="wrong")).json()
        assert response_problems("identity", "GetToken", 401, refused) == []
        orders = (await client.query(order.application_id)).json()
        assert orders["value"]
        assert response_problems("query", "GetOrders", 200, orders) == []
        assert "Items" not in orders["value"][0]
        whole = (await client.query(order.application_id, expand="Items,Payments")).json()
        assert response_problems("query", "GetOrders", 200, whole) == []
        for operation, path, asked in (
            ("GetInvoices", "Orders/Invoices", f"Id eq {order.client_order_ref}"),
            ("GetProductSkus", "Products/ProductSkus", f"ClientId eq {order.client_id} and PartNo eq 'SKU-1'"),
            ("GetCurrencies", "Core/Currencies", "Id eq 2"),
        ):
            found = (await client.query(order.application_id, path, filter=asked)).json()
            assert found["value"], operation
            assert response_problems("query", operation, 200, found) == []
        wrong = (await client.query(order.application_id, filter="Source eq 1")).json()
        assert response_problems("query", "GetOrders", 400, wrong) == []
        page = (await client.checkout("GET", "", reference)).json()
        assert page["data"]
        assert response_problems("checkout", "GetCheckoutOrders", 200, page) == []
        one = (await client.checkout("GET", f"/{page['data'][0]['id']}", reference)).json()
        assert response_problems("checkout", "GetCheckoutOrder", 200, one) == []
