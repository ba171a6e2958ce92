"""What the page is made of: nothing from elsewhere, nothing inline, and words for everything the pipeline names."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from pipeline.domain.alerts.catalogue import AlertKind, Severity
from pipeline.domain.records import OrderStatus
from pipeline.events.parse import Reason
from pipeline.ledger.outcomes import EventOutcome, UpdateOutcome
from pipeline.query.documents import EntryBody
from tests.support.processes import ROOT
from tests.web import data
from tests.web.server import STATIC

VENDORED = json.loads((STATIC / "vendor" / "vendored.json").read_text())
SCHEMAS = ROOT / "pipeline" / "contracts" / "published" / "schemas"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("library", VENDORED, ids=lambda library: str(library["package"]))
def test_a_vendored_library_is_what_its_note_says(library: dict[str, str]) -> None:
    content = (STATIC / "vendor" / library["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == library["sha256"]
    assert library["licence"].split("-")[0] in (STATIC / "vendor" / library["licence_file"]).read_text()


def test_every_vendored_script_has_a_note() -> None:
    noted = {library["file"] for library in VENDORED}
    assert {file.name for file in (STATIC / "vendor").glob("*.js")} == noted


def test_the_page_asks_no_other_host_and_has_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page) == []
    for file in STATIC.rglob("*"):
        if file.suffix in (".html", ".css", ".js") and file.parent.name != "vendor":
            text = file.read_text()
            assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+/", text) == [], file.name
            assert re.findall(r"innerHTML|outerHTML|dangerouslySet|insertAdjacent|document\.write|\beval\(", text) == []


def test_the_page_has_words_for_everything_that_a_timeline_can_show() -> None:
    assert table("ENTRIES") == set(get_args(get_type_hints(EntryBody)["what"]))


def table(name: str) -> set[str]:
    """The names in a table of words.js."""
    text = (STATIC / "words.js").read_text()
    found = re.search(rf"export const {name} = \{{\n(.*?)\n\}};", text, re.DOTALL)
    assert found, name
    return set(re.findall(r"^  (\w+):", found[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "enumeration"),
    [("ALERTS", AlertKind), ("SEVERITIES", Severity), ("STATUSES", OrderStatus)],
)
def test_the_page_has_words_for_everything_that_the_pipeline_names(name: str, enumeration: type[StrEnum]) -> None:
    assert table(name) == set(enumeration)


def test_the_page_says_of_every_reason_why_a_body_is_in_quarantine() -> None:
    assert table("REASONS") == set(Reason)


def test_the_page_has_words_for_every_end_of_an_event_or_update() -> None:
    assert table("OUTCOMES") >= {*EventOutcome, *UpdateOutcome, "pending"}


@pytest.mark.parametrize(
    ("schema", "records"),
    [
        ("EnrichedOrder", [data.order(number, NOW) for number in range(60)] + [data.hostile_order(NOW)]),
        ("Alert", data.alerts(NOW)),
        ("Reconciliation", data.sweeps(NOW)),
        ("DriftReport", data.drift(NOW)),
    ],
)
def test_what_the_stand_in_serves_is_what_the_contracts_say(schema: str, records: list[data.Json]) -> None:
    validator = Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text()))
    for record in records:
        assert [error.message for error in validator.iter_errors(record)] == []
