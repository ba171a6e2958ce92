"""Schemas in a registry with Confluent's HTTP interface (Schema Registry API v1, JSON Schema).

The registry is asked once, before a process starts; what it answered is a few bytes per topic, so that its being away
later stops nothing. The subject of a topic's values is ``{topic}-value``, which is Confluent's default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx

from pipeline.contracts.bindings import CATALOGUE, FRAMED, messages
from pipeline.contracts.schemas import Schema, union_schema
from pipeline.framing import prefix
from pipeline.settings import SchemaRegistrySettings

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryError(Exception):
    """Base of what can be wrong with a schema registry."""


class RegistryUnreachable(RegistryError):
    """No registry answers at the address, or not as one."""

    def __init__(self, url: str, cause: object) -> None:
        self.url = url
        super().__init__(f"no schema registry answers at {url} ({cause})")


class SchemaMissing(RegistryError):
    """The registry does not have the schema, and the settings say that it is not to be registered."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(
            f"the registry has no such schema under {subject}, and NORCE_SCHEMA_REGISTRY_REGISTER_SCHEMAS is off"
        )


class SchemaRefused(RegistryError):
    """The registry does not take a schema."""

    def __init__(self, subject: str, status: int, answer: str) -> None:
        self.subject, self.status, self.answer = subject, status, answer
        hint = (
            ". Open objects that gain a field fit the compatibility FORWARD or NONE of the subject"
            if status == httpx.codes.CONFLICT
            else ""
        )
        super().__init__(f"the registry refused the schema of {subject}: {status} {answer}{hint}")


def prefixes(settings: SchemaRegistrySettings) -> Mapping[str, bytes]:
    """What comes before the values of each framed topic; empty if no registry is configured.

    Raises:
        RegistryUnreachable, SchemaMissing, SchemaRefused
    """
    if settings.url is None:
        return {}
    headers = {"accept": MEDIA_TYPE, "content-type": MEDIA_TYPE}
    with httpx.Client(headers=headers, auth=_login(settings), timeout=settings.timeout) as client:
        return {topic: prefix(_id(client, settings, f"{topic}-value", schema)) for topic, schema in schemas().items()}


def schemas() -> Mapping[str, Schema]:
    """The schema of the values of each framed topic, in the words of draft 07.

    That is the youngest draft that the comparing parts of all registries read. These schemas mean the same in it as in
    the published draft 2020-12: beside a ``$ref``, where draft 07 ignores everything, stand descriptions only.
    """
    found = {topic.name: topic for topic in CATALOGUE}
    return {
        name: {**union_schema(name, [kind.value for kind in messages(found[name]) if kind.value]), "$schema": DRAFT_07}
        for name in FRAMED
    }


def _login(settings: SchemaRegistrySettings) -> httpx.BasicAuth | None:
    if settings.username is None or settings.password is None:
        return None
    return httpx.BasicAuth(settings.username, settings.password.get_secret_value())


def _id(client: httpx.Client, settings: SchemaRegistrySettings, subject: str, schema: Schema) -> int:
    path = f"/subjects/{subject}" + ("/versions" if settings.register_schemas else "")
    body = {"schemaType": "JSON", "schema": json.dumps(schema, ensure_ascii=False)}
    url = str(settings.url)
    try:
        answer = client.post(url + path, content=json.dumps(body))
    except httpx.HTTPError as error:
        raise RegistryUnreachable(url, repr(error)) from error
    if answer.status_code == httpx.codes.NOT_FOUND and not settings.register_schemas:
        raise SchemaMissing(subject)
    if not answer.is_success:
        raise SchemaRefused(subject, answer.status_code, answer.text[:500])
    try:
        return int(answer.json()["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryUnreachable(url, f"answered {answer.text[:100]!r}") from error
