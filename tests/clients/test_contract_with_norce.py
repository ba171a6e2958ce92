"""Every request the clients make fits Norce's published HTTP contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from connectors.checkout import CheckoutClient
from connectors.connect import ConnectClient
from connectors.norce import Unaddressable
from pipeline.events import NorceOrderStatus
from tests.clients.norce import Norce
from tests.clients.peer import Peer, Received, Reply
from tests.clients.support import CHANNEL, PatientClock, at_most, checkout_settings, connect_settings, metrics
from tests.support.norce import norce_document


class Contract:
    """One OpenAPI document, and whether a request fits it."""

    def __init__(self, document: Path, base_path: str) -> None:
        self.spec: dict[str, Any] = yaml.safe_load(document.read_text())
        self._base_path = base_path

    def check(self, received: Received) -> str:
        """The id of the operation that was called, once the request is found to fit it."""
        assert received.path.startswith(self._base_path)
        operation = self._operation(received.method.lower(), received.path.removeprefix(self._base_path))
        parameters = [self._resolve(parameter) for parameter in operation.get("parameters", [])]
        self._check_headers(received, parameters)
        queries = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        assert set(received.query) <= queries
        if (body := operation.get("requestBody")) is None:
            assert received.body == b""
        else:
            assert received.headers["content-type"] == "application/json"
            schema = body["content"]["application/json"]["schema"]
            Draft202012Validator({**schema, "components": self.spec["components"]}).validate(received.json)
        return str(operation["operationId"])

    def schema(self, name: str) -> dict[str, Any]:
        schema: dict[str, Any] = self.spec["components"]["schemas"][name]
        return schema

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        parts = path.split("/")
        for template, operations in self.spec["paths"].items():
            names = template.split("/")
            fits = len(names) == len(parts) and all(
                name == part or (name.startswith("{") and part) for name, part in zip(names, parts, strict=True)
            )
            if fits and method in operations:
                operation: dict[str, Any] = operations[method]
                return operation
        raise AssertionError(f"no operation {method} {path}")

    def _check_headers(self, received: Received, parameters: list[dict[str, Any]]) -> None:
        assert received.headers["authorization"].startswith("Bearer ")
        headers = {parameter["name"].lower(): parameter for parameter in parameters if parameter["in"] == "header"}
        for name, parameter in headers.items():
            if parameter.get("required"):
                assert received.headers[name]
        ours = {name for name in received.headers if name.startswith("x-") or name == "applicationid"}
        assert ours <= set(headers)

    def _resolve(self, parameter: dict[str, Any]) -> dict[str, Any]:
        name = parameter.get("$ref", "").removeprefix("#/components/parameters/")
        resolved: dict[str, Any] = self.spec["components"]["parameters"][name] if name else parameter
        return resolved


@pytest.fixture(scope="module")
def connect() -> Contract:
    return Contract(norce_document("connect-order-service.openapi.yaml"), "/commerce/connect/4.0")


@pytest.fixture(scope="module")
def checkout() -> Contract:
    return Contract(norce_document("checkout-order.openapi.yaml"), "/checkout/order/api/v1")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    client_order_ref=st.one_of(st.integers(0, 2**33).map(str), st.text(min_size=1)),
    erp_order_no=st.one_of(st.none(), st.text()),
    infos=st.lists(st.fixed_dictionaries({"code": st.text(min_size=1), "value": st.text()}), max_size=3),
    status=st.one_of(st.none(), st.sampled_from(sorted(NorceOrderStatus))),
    account_id=st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
    header=st.sampled_from([None, "ApplicationId"]),
)
async def test_every_send_order_status_fits(
    connect: Contract,
    client_order_ref: str,
    erp_order_no: str | None,
    infos: list[dict[str, str]],
    status: str | None,
    account_id: int | None,
    header: str | None,
) -> None:
    async with Peer() as peer:
        norce = Norce(peer)
        norce.orders = [{"ClientOrderRef": client_order_ref, "StatusId": 2}]
        changes = {"account_id": account_id, "application_header": header}
        configured = connect_settings(peer.url, **changes)
        async with ConnectClient(configured, clock=PatientClock(), uniform=at_most, metrics=metrics()) as client:
            try:
                await client.send_order_status(client_order_ref, erp_order_no, infos, status, application_id=1042)
            except Unaddressable:
                assert norce.connect == []
                return
        assert [connect.check(received) for received in norce.connect] == ["SendOrderStatus"]


def test_the_statuses_are_norces(connect: Contract) -> None:
    assert {str(status) for status in NorceOrderStatus} == set(
        connect.schema("SendOrderStatusRequest")["properties"]["OrderStatus"]["enum"]
    )


@pytest.mark.parametrize("adapter_id", [None, "adapter"])
async def test_every_call_to_checkout_fits(checkout: Contract, peer: Peer, adapter_id: str | None) -> None:
    example = {"id": "a", "merchant": "m", "channel": "c", "cart": {"reference": "17"}}
    peer.handler = lambda received: Reply(body={"data": [example]} if received.method == "GET" else b"")
    configured = checkout_settings(peer.url, adapter_id=adapter_id)
    async with CheckoutClient(configured, clock=PatientClock(), uniform=at_most, metrics=metrics()) as client:
        found = await client.find_order(CHANNEL, "17")
        assert found is not None
        await client.patch_attributes(CHANNEL, found.id, {"version": 1})
    assert [checkout.check(received) for received in peer.received] == [
        "GetCheckoutOrders",
        "PatchCheckoutOrderAttributes",
    ]
