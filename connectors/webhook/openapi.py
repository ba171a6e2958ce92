"""The endpoint's OpenAPI 3.1 document, made from the event catalogue and the table of answers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema

from connectors.webhook import answers
from connectors.webhook.answers import Answer
from connectors.webhook.app import ENDPOINT
from connectors.webhook.event_types import HEADER, QUERY
from pipeline.events import EVENT_TYPES, EventSpec
from pipeline.settings import WebhookSettings

JsonObject = dict[str, Any]

_DESCRIPTION = """\
Takes Norce's Commerce Event webhooks. Set one URL per event type in Norce Admin, with the secret as a static header.

Answer 200 means that the event is stored for good, or kept in quarantine when it cannot be used. Every other answer
means that it is not, and that Norce should send it again."""


def openapi_document(settings: WebhookSettings) -> bytes:
    """The document as JSON, for the given limits and secret header."""
    models = {spec.model for spec in EVENT_TYPES.values()}
    schemas_of, definitions = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    schemas = {model.__name__: schema for (model, _), schema in schemas_of.items()}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Norce webhook connector", "version": _version(), "description": _DESCRIPTION},
        "paths": {
            **{f"{ENDPOINT}/{spec.name}": {"post": _typed(spec, schemas)} for spec in EVENT_TYPES.values()},
            ENDPOINT: {"post": _untyped(schemas)},
            "/livez": {"get": _page("livez", "The process runs", {"200": "it does"})},
            "/readyz": {
                "get": _page("readyz", "Events can be taken", {"200": "they can", "503": "why they cannot"}),
            },
            "/metrics": {"get": _page("metrics", "Metrics", {"200": "Prometheus text"}, "text/plain")},
        },
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Error": _ERROR},
            "responses": {answer.name: _response(answer) for answer in answers.WEBHOOK_ANSWERS if answer.status != 200},
            "securitySchemes": {
                "secret": {"type": "apiKey", "in": "header", "name": settings.secret_header},
            },
        },
        "x-limits": {
            "body_bytes": settings.max_body_bytes,
            "body_seconds": settings.body_timeout,
            "requests_in_flight": settings.max_in_flight,
        },
    }
    return orjson.dumps(document)


def _typed(spec: EventSpec, schemas: dict[str, Any]) -> JsonObject:
    return {
        "operationId": f"post{spec.name}",
        "tags": [spec.group.value],
        "summary": spec.name,
        "description": (spec.model.__doc__ or "").strip(),
        "x-kafka-topic": spec.topic,
        **_operation(schemas[spec.model.__name__]),
    }


def _untyped(schemas: dict[str, Any]) -> JsonObject:
    names = list(EVENT_TYPES)
    return {
        "operationId": "postEvent",
        "summary": "An event whose type is in a static header or in the query; both must agree when both are given",
        "parameters": [
            {"name": HEADER, "in": "header", "schema": {"type": "string", "examples": names[:1]}},
            {"name": QUERY, "in": "query", "schema": {"type": "string", "examples": names[:1]}},
        ],
        **_operation({"anyOf": list(schemas.values())}),
    }


def _operation(schema: Any) -> JsonObject:
    by_status: dict[str, list[Answer]] = {}
    for answer in answers.WEBHOOK_ANSWERS:
        by_status.setdefault(str(answer.status), []).append(answer)
    return {
        "security": [{"secret": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {status: _responses(group) for status, group in by_status.items()},
    }


def _responses(group: list[Answer]) -> JsonObject:
    if len(group) == 1 and group[0].status != 200:
        return {"$ref": f"#/components/responses/{group[0].name}"}
    response = _response(group[0])
    response["description"] = " ".join(f"{answer.name}: {answer.message}" for answer in group)
    return response


def _response(answer: Answer) -> JsonObject:
    if answer.status == 200:
        return {"description": answer.message}
    response: JsonObject = {
        "description": f"{answer.name}: {answer.message}",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if answer.retry:
        response["headers"] = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
    return response


def _page(name: str, summary: str, answered: dict[str, str], content_type: str = "application/json") -> JsonObject:
    return {
        "operationId": name,
        "tags": ["operations"],
        "summary": summary,
        "responses": {
            status: {"description": text, "content": {content_type: {}}} for status, text in answered.items()
        },
    }


_ERROR: JsonObject = {
    "type": "object",
    "required": ["error", "message"],
    "properties": {
        "error": {"type": "string", "enum": sorted({a.name for a in answers.WEBHOOK_ANSWERS if a.status != 200})},
        "message": {"type": "string"},
    },
}


def _version() -> str:
    try:
        return version("norce-pipeline")
    except PackageNotFoundError:  # run from the source tree
        return "0"
