"""The help of every command: it reads well, and its examples can be typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline import cli
from pipeline.console import ENVIRONMENT, FAILED, OK, USAGE

ROOT = typer.main.get_command(cli.app)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from leaves(below, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(ROOT))


def examples(command: Any) -> list[str]:
    text = re.sub(r"\s+", " ", command.help or "")
    return [match.strip() for match in re.findall(r"Example: (.*?)(?= Example:|$)", text)]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_does_and_shows_how(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli.app, [*path, "--help"])
    assert answer.exit_code == 0
    assert (COMMANDS[path].help or "").split("\n\n")[0].endswith(".")
    assert examples(COMMANDS[path]), "there is no example"
    for option in COMMANDS[path].params:
        if option.name != "help":
            assert option.help, option.name


def test_what_a_command_does_not_need_is_not_loaded_for_it() -> None:
    """Somebody waits for the help, and for the completion of a word."""
    heavy = ("faust", "aiohttp", "fastapi", "uvicorn", "granian")
    program = f"import sys, pipeline.cli; print(*sorted(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


GROUPS = [(), *sorted({path[:-1] for path in COMMANDS if len(path) > 1})]


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_a_list_of_commands_says_of_each_what_it_does_without_being_cut_off(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli.app, [*path, "--help"], env={"COLUMNS": "80"})
    for name in {other[len(path)] for other in COMMANDS if other[: len(path)] == path}:
        assert re.search(rf"^  {name} +[A-Z].*[^.]\.?$", answer.stdout, re.MULTILINE), name
    assert "..." not in answer.stdout.partition("Options:")[2]


def test_every_command_stands_under_the_heading_of_what_it_is_for() -> None:
    listed = [name for names in cli.SECTIONS.values() for name in names]
    assert sorted(listed) == sorted({path[0] for path in COMMANDS})
    said = CliRunner().invoke(cli.app, ["--help"]).stdout
    assert re.findall(r"^(\w[\w ]*):$", said, re.MULTILINE) == ["Options", *cli.SECTIONS]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_example_is_a_command_line_that_the_command_takes(path: tuple[str, ...]) -> None:
    """Up to a redirection, as a shell would split it; nothing is run."""
    for example in examples(COMMANDS[path]):
        words = shlex.split(example.split(" > ")[0])
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        assert words[: 1 + len(path)] == ["norce-pipeline", *path]
        COMMANDS[path].make_context(path[-1], words[1 + len(path) :], resilient_parsing=False)


def test_the_exit_codes_are_told_where_the_commands_are() -> None:
    said = CliRunner().invoke(cli.app, ["--help"]).output
    told = re.search(r"Exit codes: (.*)", re.sub(r"\s+", " ", said))
    assert told is not None
    for code in (OK, FAILED, USAGE, ENVIRONMENT):
        assert re.search(rf"\b{code} [a-z]", told[1])


def test_exporting_topics_needs_no_broker_and_leaves_the_settings_of_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    answer = CliRunner().invoke(cli.app, ["topics", "export"])
    assert (answer.exit_code, "norce.orders.enriched" in answer.output) == (0, True)
    assert "KAFKA_BOOTSTRAP_SERVERS" not in os.environ


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("dead", ["dead-letters"]),
        ("dead-letters re", ["release"]),
        ("send OrderP", ["OrderPartlyDeliveredEvent", "OrderPaymentReceivedEvent"]),
        ("doctor --for sink", ["sink-connect", "sink-checkout"]),
    ],
)
def test_a_shell_can_complete_commands_and_the_names_that_they_take(typed: str, completed: list[str]) -> None:
    """Asked as bash asks; the completion is typer's."""
    words = f"norce-pipeline {typed}"
    environment = {
        "_NORCE_PIPELINE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    answer = CliRunner().invoke(cli.app, [], prog_name="norce-pipeline", env=environment)
    assert sorted(answer.output.split()) == sorted(completed)
