"""The documents: valid by their own specifications, complete, and as the topics really are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from pipeline import settings_report, topics
from pipeline.contracts import CATALOGUE, UnboundTopic, documents, messages, read_topics
from pipeline.contracts.bindings import UNPROMISED
from pipeline.contracts.documents import ASYNCAPI
from pipeline.contracts.event_fields import FIELDS
from pipeline.domain import AlertKind
from pipeline.events import EVENT_TYPES
from pipeline.privacy import ORDERS_PRIVATE, PERSON_KEYS
from pipeline.settings import KafkaSettings
from pipeline.topics import Tier, TopicSpec

FOUND = documents("1.0.0")
SCHEMAS = [name for name in FOUND if name != ASYNCAPI]


def test_the_asyncapi_document_is_valid_by_the_official_schema_of_asyncapi_3() -> None:
    official = json.loads((Path(__file__).parent / "vendored" / "asyncapi-3.0.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(official).validate(FOUND[ASYNCAPI])


def test_the_official_schema_sees_what_is_wrong() -> None:
    """Otherwise the test above would say nothing."""
    official = json.loads((Path(__file__).parent / "vendored" / "asyncapi-3.0.0.json").read_text(encoding="utf-8"))
    broken = json.loads(json.dumps(FOUND[ASYNCAPI]))
    broken["channels"][topics.ORDERS_ENRICHED]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] = "compact"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(official).validate(broken)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_record_has_a_valid_json_schema_of_draft_2020_12(name: str) -> None:
    assert FOUND[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(FOUND[name])


def fields(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every property anywhere in a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from fields(item, place)
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield f"{place}.{name}", field
        for part in schema.values():
            yield from fields(part, place)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_record_and_every_field_has_a_description(name: str) -> None:
    found = [(name, FOUND[name]), *fields(FOUND[name], name)]
    found += [(f"{name} {each}", part) for each, part in FOUND[name].get("$defs", {}).items()]
    assert [place for place, schema in found if not schema.get("description")] == []


def test_every_header_of_every_record_has_a_description() -> None:
    for topic in read_topics(FOUND).values():
        for name, kind in topic.kinds.items():
            missing = [header for header, schema in kind.headers["properties"].items() if not schema.get("description")]
            assert missing == [], (topic.name, name)


def test_no_field_is_described_that_no_event_has() -> None:
    used = {str(field.alias) for spec in EVENT_TYPES.values() for field in spec.model.model_fields.values()}
    assert set(FIELDS) - used == set()


def test_every_topic_is_listed_with_its_tier_and_a_private_one_with_its_readers() -> None:
    channels = FOUND[ASYNCAPI]["channels"]
    assert set(channels) == {spec.name for spec in settings_report.all_topics()}
    for spec in CATALOGUE:
        assert channels[spec.name]["x-tier"] == spec.tier
        assert (spec.tier is Tier.PRIVATE) == bool(channels[spec.name].get("x-readers"))


def test_every_topic_that_holds_personal_data_or_bodies_as_they_came_is_private() -> None:
    private = {spec.name for spec in CATALOGUE if spec.tier is Tier.PRIVATE}
    assert private >= {topics.QUARANTINE, topics.DEAD_LETTERS, ORDERS_PRIVATE, PERSON_KEYS}
    assert private >= {spec.topic for spec in EVENT_TYPES.values()}


def test_changelogs_are_listed_and_promise_no_schema() -> None:
    found = read_topics(FOUND)
    assert {spec.name for spec in CATALOGUE if not found[spec.name].kinds} == {spec.name for spec in UNPROMISED}


def test_every_topic_has_a_contract_and_every_event_type_is_on_its_topic() -> None:
    found = read_topics(FOUND)
    assert set(found) == {spec.name for spec in CATALOGUE} >= {spec.name for spec in topics.PUBLIC}
    for spec in EVENT_TYPES.values():
        assert spec.name in found[spec.topic].kinds


def test_a_topic_that_nobody_bound_to_a_record_is_named() -> None:
    with pytest.raises(UnboundTopic, match=r"norce\.new"):
        messages(TopicSpec("norce.new", "something", "a key", "JSON"))


def test_clean_up_and_retention_are_what_the_topics_are_made_with() -> None:
    kafka = KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    found = read_topics(FOUND)
    for spec in CATALOGUE:
        made = spec.configuration(kafka)
        assert found[spec.name].cleanup == made["cleanup.policy"]
        assert found[spec.name].retention_ms == (int(made["retention.ms"]) if "retention.ms" in made else None)


def test_every_record_of_a_topic_with_keys_says_how_its_key_is_laid_out() -> None:
    found = read_topics(FOUND)
    assert found[topics.QUARANTINE].kinds["UnusableBody"].key is None
    key = found[topics.ORDERS_ENRICHED].kinds["EnrichedOrder"].key
    assert key is not None
    assert key["title"] == "ClientId:ApplicationId:ClientOrderRef"
    assert all(kind.key for topic in found.values() for kind in topic.kinds.values() if topic.name != topics.QUARANTINE)


def test_personal_data_is_marked_where_the_event_models_mark_it() -> None:
    for spec in EVENT_TYPES.values():
        properties = FOUND[f"schemas/{spec.name}.json"]["properties"]
        marked = {name: field["x-personal-data"] for name, field in properties.items() if "x-personal-data" in field}
        aliases = {str(spec.model.model_fields[name].alias): kind for name, kind in spec.personal_data.items()}
        assert marked == aliases


def test_every_kind_of_alert_is_explained() -> None:
    explained = FOUND[ASYNCAPI]["components"]["messages"]["Alert"]["description"]
    assert [kind for kind in AlertKind if f"`{kind}`" not in explained] == []


def test_the_same_code_gives_the_same_documents() -> None:
    assert json.dumps(documents("1.0.0")) == json.dumps(FOUND)
