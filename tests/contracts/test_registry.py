"""The schema registry: a real one, and on a socket what a real one does not do on request."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from pipeline import topics
from pipeline.contracts.bindings import FRAMED
from pipeline.contracts.registry import (
    RegistryUnreachable,
    SchemaMissing,
    SchemaRefused,
    prefixes,
    schemas,
)
from pipeline.domain import DEFAULT_POLICIES, derive, encode_update, order_view
from pipeline.framing import prefix, schema_id, unframed
from pipeline.settings import SchemaRegistrySettings
from tests.contracts.apicurio import registry
from tests.domain.events import KEY, payment, state_of


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


def settings(**given: Any) -> SchemaRegistrySettings:
    return SchemaRegistrySettings.model_validate(given)


# -- the wire format -------------------------------------------------------------------------------------------------


def test_the_wire_format_is_a_zero_byte_four_bytes_of_id_and_the_json() -> None:
    assert prefix(258) + b'{"a":1}' == b'\x00\x00\x00\x01\x02{"a":1}'


@given(st.integers(0, 2**32 - 1), st.dictionaries(st.text(), st.integers()))
def test_a_framed_value_gives_back_its_json_and_its_id(number: int, content: dict[str, int]) -> None:
    value = json.dumps(content).encode()
    assert (unframed(prefix(number) + value), schema_id(prefix(number) + value)) == (value, number)
    assert (unframed(value), schema_id(value)) == (value, None)


# -- a real registry -------------------------------------------------------------------------------------------------


def test_without_a_registry_nothing_is_framed() -> None:
    assert prefixes(settings()) == {}


def test_every_framed_topic_has_its_schema_in_the_registry_under_the_id_that_its_records_carry(url: str) -> None:
    found = prefixes(settings(url=url))
    assert set(found) == set(FRAMED)
    for topic, schema in schemas().items():
        held = httpx.get(f"{url}/schemas/ids/{schema_id(found[topic])}").json()
        assert (held["schemaType"], json.loads(held["schema"])) == ("JSON", schema)
        assert f"{topic}-value" in httpx.get(f"{url}/subjects").json()


def test_registering_again_gives_the_same_ids(url: str) -> None:
    assert prefixes(settings(url=url)) == prefixes(settings(url=url))


def test_schemas_that_are_there_are_found_without_registering(url: str) -> None:
    assert prefixes(settings(url=url)) == prefixes(settings(url=url, register_schemas=False))


def test_a_reader_with_nothing_but_the_registry_can_check_a_record(url: str) -> None:
    start = prefixes(settings(url=url))[topics.UPDATES]
    for update in derive(None, order_view(KEY, state_of([payment()])), DEFAULT_POLICIES):
        value = start + encode_update(update)
        schema = httpx.get(f"{url}/schemas/ids/{schema_id(value)}").json()["schema"]
        validator = Draft7Validator(json.loads(schema))
        validator.validate(json.loads(unframed(value)))
        assert not validator.is_valid({"target": "nobody"})


@pytest.fixture
def older(url: str) -> Iterator[str]:
    """The subject of alerts with one older schema, which lacks a field of today's."""
    subject = f"{url}/subjects/{topics.ALERTS}-value"
    prefixes(settings(url=url))
    httpx.delete(subject).raise_for_status()
    schema = json.loads(json.dumps(schemas()[topics.ALERTS]))
    del schema["properties"]["details"]
    schema["required"].remove("details")
    body = {"schemaType": "JSON", "schema": json.dumps(schema)}
    httpx.post(f"{subject}/versions", json=body).raise_for_status()
    yield f"{url}/config/{topics.ALERTS}-value"
    httpx.delete(f"{url}/config/{topics.ALERTS}-value").raise_for_status()
    httpx.delete(subject).raise_for_status()


def test_a_schema_that_the_registry_finds_incompatible_is_refused_by_name(url: str, older: str) -> None:
    httpx.put(older, json={"compatibility": "BACKWARD"}).raise_for_status()
    with pytest.raises(SchemaRefused, match=rf"{topics.ALERTS}-value: 409 .*FORWARD or NONE"):
        prefixes(settings(url=url))


def test_a_field_can_be_added_under_the_compatibility_that_the_refusal_recommends(url: str, older: str) -> None:
    httpx.put(older, json={"compatibility": "FORWARD"}).raise_for_status()
    assert topics.ALERTS in prefixes(settings(url=url))


def test_a_schema_that_is_not_there_and_may_not_be_registered_is_named(url: str) -> None:
    prefixes(settings(url=url))
    httpx.delete(f"{url}/subjects/{topics.UPDATES}-value").raise_for_status()
    with pytest.raises(SchemaMissing, match=f"{topics.UPDATES}-value"):
        prefixes(settings(url=url, register_schemas=False))


def test_what_is_registered_means_the_same_in_draft_07_as_in_the_published_draft() -> None:
    for schema in schemas().values():
        Draft7Validator.check_schema(schema)
        for beside in beside_references(schema):
            assert beside <= {"$ref", "description", "title"}


def beside_references(schema: Any) -> Iterator[set[str]]:
    """The keywords of every object with a reference; draft 07 ignores those beside it."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and "$ref" in schema:
        yield set(schema)
    for part in parts:
        yield from beside_references(part)


# -- in trouble ------------------------------------------------------------------------------------------------------


class Peer(BaseHTTPRequestHandler):
    """A registry by its documented interface, with the answer that a test wants."""

    status: ClassVar[int] = 200
    body: ClassVar[str] = '{"id": 7}'
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Peer, "seen", [])
    with HTTPServer(("127.0.0.1", 0), Peer) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_requests_are_as_documented_with_the_login_of_the_settings(peer: str) -> None:
    assert prefixes(settings(url=peer, username="u", password="p"))[topics.ALERTS] == prefix(7)
    path, headers = Peer.seen[0]
    assert path == f"/subjects/{topics.ORDERS_ENRICHED}-value/versions"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert headers["content-type"] == "application/vnd.schemaregistry.v1+json"


def test_wrong_credentials_are_named_and_the_password_is_not(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "status", 401)
    monkeypatch.setattr(Peer, "body", '{"error_code": 401, "message": "Unauthorized"}')
    with pytest.raises(SchemaRefused, match="401") as refused:
        prefixes(settings(url=peer, username="u", password="planted"))
    assert "planted" not in str(refused.value)


def test_something_else_than_a_registry_is_named(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "body", "<html>")
    with pytest.raises(RegistryUnreachable, match="html"):
        prefixes(settings(url=peer))


def test_a_registry_that_is_away_is_named() -> None:
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1"):
        prefixes(settings(url="http://127.0.0.1:1"))
