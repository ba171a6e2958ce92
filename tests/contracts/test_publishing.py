"""Publishing: the checked-in contracts are those of the code, and a break is made on purpose or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import CHANGELOG, PUBLISHED, BreakingChange, Effect, compare, documents, publish, read
from pipeline.contracts.changelog import newest_version
from pipeline.contracts.documents import version
from tests.support.commands import run_command


def test_the_published_contracts_are_those_of_the_code() -> None:
    """Otherwise: norce-pipeline contracts write."""
    found = compare()
    assert found.changes == []
    assert read(PUBLISHED) == documents(str(found.version))


def test_the_changelog_begins_with_the_published_version() -> None:
    assert newest_version(CHANGELOG.read_text(encoding="utf-8")) == version(read(PUBLISHED))


class Place:
    """Contracts of their own to publish and to tamper with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "published", folder / "CHANGELOG.md"
        publish(self.folder, self.log)

    def publish(self, accept: str | None = None) -> Any:
        return publish(self.folder, self.log, accept)

    def pretend(self, record: str, **field: Any) -> None:
        """Let the published schema of a record have had a field, or another description of it."""
        path = self.folder / "schemas" / f"{record}.json"
        schema = json.loads(path.read_text())
        schema["properties"].update(field)
        path.write_text(json.dumps(schema))

    def pretend_without(self, record: str, field: str) -> None:
        path = self.folder / "schemas" / f"{record}.json"
        schema = json.loads(path.read_text())
        del schema["properties"][field]
        schema["required"] = [name for name in schema["required"] if name != field]
        path.write_text(json.dumps(schema))

    @property
    def version(self) -> str | None:
        return version(read(self.folder))

    @property
    def entry(self) -> str:
        """The newest entry of the changelog."""
        return self.log.read_text().split("\n## ")[1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_published_first_is_version_1(place: Place) -> None:
    assert place.version == "1.0.0"
    assert place.entry.startswith("1.0.0\n")


def test_publishing_again_changes_nothing(place: Place) -> None:
    before = place.log.read_text()
    assert place.publish().changes == []
    assert (place.version, place.log.read_text()) == ("1.0.0", before)


def test_a_field_that_is_gone_is_refused_and_nothing_is_written(place: Place) -> None:
    place.pretend("EnrichedOrder", colour={"type": "string", "description": "gone"})
    before = read(place.folder), place.log.read_text()
    with pytest.raises(BreakingChange, match=r"EnrichedOrder\.colour: was removed"):
        place.publish()
    assert (read(place.folder), place.log.read_text()) == before


def test_a_break_that_is_accepted_is_a_major_version_with_its_reason_in_the_changelog(place: Place) -> None:
    place.pretend("EnrichedOrder", colour={"type": "string", "description": "gone"})
    place.publish(accept="nobody reads the colour")
    assert place.version == "2.0.0"
    assert "Accepted because: nobody reads the colour" in place.entry
    assert "- breaking: norce.orders.enriched EnrichedOrder.colour: was removed" in place.entry
    assert place.publish().changes == []


def test_a_field_that_may_be_absent_is_a_minor_version(place: Place) -> None:
    place.pretend_without("OrderReadyForPickupEvent", "DropPointCode")
    place.publish()
    assert place.version == "1.1.0"
    assert "- compatible: norce.events.order OrderReadyForPickupEvent.DropPointCode: new, may be absent" in place.entry
    assert "Accepted" not in place.entry


def test_a_reworded_description_is_a_patch_version(place: Place) -> None:
    place.pretend("EnrichedOrder", id={"type": "string", "description": "something else"})
    place.publish()
    assert place.version == "1.0.1"


def test_older_entries_stay_below_newer_ones(place: Place) -> None:
    place.pretend("EnrichedOrder", id={"type": "string", "description": "something else"})
    place.publish()
    assert [line for line in place.log.read_text().splitlines() if line.startswith("## ")] == ["## 1.0.1", "## 1.0.0"]


def test_a_schema_that_no_code_makes_any_more_is_removed_from_the_folder(place: Place) -> None:
    stray = place.folder / "schemas" / "Stray.json"
    stray.write_text("{}")
    assert [change.effect for change in place.publish().changes] == [Effect.WORDING]
    assert not stray.exists()


# -- the command line ------------------------------------------------------------------------------------------------


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return run_command(["contracts", *words], os.environ)


def command_of(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command of the code in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "contracts", *words],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """The code with published contracts of its own, so that the commands can be tried on other ones."""
    for name in ("pipeline", "connectors"):
        (tmp_path / name).mkdir()
        for path in (repository / name).iterdir():
            if path.name != "contracts":
                (tmp_path / name / path.name).symlink_to(path)
    contracts = tmp_path / "pipeline" / "contracts"
    contracts.mkdir()
    for path in (repository / "pipeline" / "contracts").rglob("*"):
        if path.suffix in {".py", ".json", ".md"}:
            target = contracts / path.relative_to(repository / "pipeline" / "contracts")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path


def test_check_passes_on_what_is_published() -> None:
    done = command("check")
    assert done.returncode == 0, done.stderr
    assert "nothing breaks a reader" in done.stdout


def test_check_and_write_fail_on_a_break_and_write_takes_it_with_a_reason(copy: Path) -> None:
    path = copy / "pipeline" / "contracts" / "published" / "schemas" / "EnrichedOrder.json"
    schema = json.loads(path.read_text())
    schema["properties"]["colour"] = {"type": "string", "description": "gone"}
    path.write_text(json.dumps(schema))
    for words in (["check"], ["write"]):
        done = command_of(copy, *words)
        assert done.returncode == 1
        assert "EnrichedOrder.colour: was removed" in done.stderr
        assert "Traceback" not in done.stderr
    assert command_of(copy, "write", "--accept", "nobody reads it").returncode == 0
    assert command_of(copy, "check").returncode == 0
    assert "nobody reads it" in (copy / "pipeline" / "contracts" / "CHANGELOG.md").read_text()


def test_show_lists_topics_and_the_fields_of_one_and_names_an_unknown_one() -> None:
    assert "norce.orders.enriched" in command("show").stdout
    fields = command("show", "norce.orders.enriched").stdout
    assert "payments[].amount" in fields
    schemas = json.loads(command("show", "norce.orders.enriched", "--json").stdout)
    assert "paid" in schemas["EnrichedOrder"]["value"]["properties"]
    assert json.loads(command("show", "--json").stdout)["asyncapi"] == "3.0.0"
    unknown = command("show", "norce.nonsense")
    assert unknown.returncode == 2
    assert "norce.nonsense" in unknown.stderr
