"""What operators and Norce's side can read: health, metrics, the OpenAPI document."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from pipeline.events import EVENT_TYPES
from tests.webhook.support import Connector, order


@pytest.fixture(scope="module")
def document(connector: Connector) -> dict[str, Any]:
    answer = connector.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()  # type: ignore[no-any-return]


def test_the_openapi_document_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_openapi_document_has_a_path_for_every_event_type(document: dict[str, Any]) -> None:
    typed = {path.removeprefix("/webhooks/norce/") for path in document["paths"] if path.startswith("/webhooks/norce/")}
    assert typed == set(EVENT_TYPES)
    assert document["components"]["securitySchemes"]["secret"]["name"] == "x-norce-secret"


@pytest.mark.parametrize("body", [order("77"), order("77", Added=1, Email=None), order(""), b'{"ClientId": "1"}'])
async def test_the_schema_in_the_openapi_document_says_what_the_endpoint_takes(
    connector: Connector, document: dict[str, Any], body: bytes
) -> None:
    operation = document["paths"]["/webhooks/norce/OrderReceivedEvent"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    absolute = {"$ref": f"urn:document{schema['$ref']}"}
    fits = jsonschema.Draft202012Validator(absolute, registry=registry).is_valid(json.loads(body))
    before = connector.metric("norce_webhook_requests_total", answer="accepted")
    assert (await connector.post(body)).status_code == 200
    assert (connector.metric("norce_webhook_requests_total", answer="accepted") - before == 1) == fits


def test_every_answer_of_the_endpoint_is_in_the_openapi_document(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        if path.startswith("/webhooks"):
            assert set(operations["post"]["responses"]) == {"200", "401", "405", "408", "413", "503"}


def test_metrics_count_requests_by_type_and_answer(connector: Connector) -> None:
    labels = {"event_type": "OrderReceivedEvent", "answer": "accepted"}
    before = connector.metric("norce_webhook_requests_total", **labels)
    produced = connector.metric("norce_webhook_produce_seconds_count")
    for _ in range(3):
        asyncio.run(connector.post(order("77"), "/webhooks/norce/orderreceivedevent"))
    assert connector.metric("norce_webhook_requests_total", **labels) == before + 3
    assert connector.metric("norce_webhook_produce_seconds_count") == produced + 3
    answered = connector.metric("norce_webhook_requests_total")
    assert connector.metric("norce_webhook_request_seconds_count") == answered


async def test_no_sender_can_make_new_time_series(connector: Connector) -> None:
    async with connector.client() as client:
        await client.post("/webhooks/norce/First", content=b"{}")
        before = len(connector.get("/metrics").text.splitlines())
        for number in range(20):
            await client.post(f"/webhooks/norce/New{number}", content=b"{}", headers={"x-norce-secret": str(number)})
            await client.post(f"/webhooks/norce/New{number}", content=b"{}")
    await connector.post(b"{}", "/webhooks/norce/Last", headers={"x-norce-secret": "wrong"})
    after = connector.get("/metrics").text.splitlines()
    assert len(after) - before <= 2  # the answer 401 may be new
    assert not any("New1" in line for line in after)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json"])
def test_a_page_is_also_served_without_its_body(connector: Connector, path: str) -> None:
    answer = httpx.head(connector.url + path)
    assert (answer.status_code, answer.content) == (200, b"")
