"""What the pages of the documentation say is there: commands, targets, settings, metrics, topics, links, examples."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
import yaml
from typer.testing import CliRunner

from pipeline import metrics_catalogue, settings_report
from pipeline.cli import app
from pipeline.domain.policy import PushPolicies
from pipeline.domain.records import EnrichedOrder
from pipeline.settings import GROUPS
from pipeline.web.accounts import Accounts
from tests.docs.markdown import PAGES, PROGRAMS, ROOT, anchors, blocks, commands, inline, links

EVERYWHERE = pytest.mark.parametrize("page", PAGES)

NEEDS_NO_BROKER = ("--help", "contracts check", "contracts show", "metrics", "settings", "topics export")
"""Commands of ours that are run as they stand on the pages."""


def target_names() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def parses(words: tuple[str, ...]) -> None:
    """Whether ``norce-pipeline`` takes these words; raises what it would say otherwise. Nothing is run."""
    command: Any = typer.main.get_command(app)
    context, rest = None, list(words)
    while True:
        try:
            context = command.make_context("norce-pipeline", rest, parent=context)
        except typer.Exit:  # --help
            return
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that is only named
            return
        _, command, rest = command.resolve_command(context, rest)


def exists(words: tuple[str, ...]) -> bool:
    """Whether a command is there to be given. Raises what ``norce-pipeline`` says of one that it does not take."""
    match words:
        case ["norce-pipeline", *rest]:
            parses(tuple(rest) or ("--help",))
            return True
        case ["make", *rest]:
            return {word for word in rest if "=" not in word} <= target_names()
        case ["python", "-m", module, *_]:
            return importlib.util.find_spec(module) is not None
        case ["python", script, *_]:
            return (ROOT / "tests/contracts/recipes" / script).is_file()
        case ["kubectl", *rest] if "--" in rest:
            inside = rest.index("--")
            return exists(("kubectl", *rest[:inside])) and exists(tuple(rest[inside + 1 :]))
        case ["kubectl", *rest]:
            return all(deployed(word) for word in rest if "/" in word)
        case ["docker", "compose", *rest]:
            return composes(rest)
    return False


def deployed(word: str) -> bool:
    """Whether an overlay is there, or a resource such as ``service/console``; ``job/now`` is what the pages make."""
    kind, _, name = word.rpartition("=")[2].partition("/")
    if kind == "k8s":
        return (ROOT / word).is_dir()
    return (kind, name) in {("job", "now"), *resources()}


@cache
def resources() -> frozenset[tuple[str, str]]:
    """Kind, in lower case, and name of everything below ``k8s/base``."""
    documents = (one for path in ROOT.glob("k8s/base/**/*.yaml") for one in yaml.safe_load_all(path.read_text()))
    return frozenset((one["kind"].lower(), one["metadata"]["name"]) for one in documents if "metadata" in one)


def composes(words: list[str]) -> bool:
    """Whether the files, profiles and services of a command of Compose are there."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = document["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    following = dict(pairwise(words))
    return (
        (ROOT / following.get("--env-file", "docker-compose.yml")).is_file()
        and following.get("--profile", next(iter(profiles))) in profiles
        and following.get("--rm", next(iter(services))) in services
        and bool({"up", "run"} & set(words))
    )


@EVERYWHERE
def test_every_command_of_ours_on_the_page_is_there(page: str) -> None:
    for words in commands(page):
        assert words[0] not in PROGRAMS or exists(words), f"{page}: {' '.join(words)}"


@pytest.mark.parametrize(
    "wrong", ["nothing", "audit --froms 24h", "audit --rate much", "dead-letters list a b", "replays"]
)
def test_a_command_that_is_not_there_would_be_found(wrong: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|should be|unexpected"):
        parses(tuple(wrong.split()))


def runnable() -> list[str]:
    """The commands on the pages that need no broker."""
    given = {" ".join(words[1:]) for page in PAGES for words in commands(page) if words[0] == "norce-pipeline"}
    return sorted(line for line in given if line.startswith(NEEDS_NO_BROKER))


@pytest.mark.parametrize("line", runnable())
def test_a_command_that_needs_no_broker_runs_as_the_page_has_it(line: str) -> None:
    done = CliRunner().invoke(app, ["norce.alerts" if word == "TOPIC" else word for word in line.split()])

    assert (done.exit_code, bool(done.stdout)) == (0, True), done.output


@EVERYWHERE
def test_every_link_on_the_page_leads_somewhere(page: str) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), f"{page}: {link}"


def test_the_runbook_of_every_alert_is_linked() -> None:
    linked = {link for link in links("docs/operating.md") if link.startswith("runbooks/")}

    assert linked == {f"runbooks/{path.name}" for path in ROOT.glob("docs/runbooks/*.md")}


def test_every_page_is_linked_from_the_index_or_from_what_it_links() -> None:
    seen, ahead = set(), ["docs/index.md"]
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        paths = [
            (ROOT / page).parent / link.partition("#")[0] for link in links(page) if not re.match(r"[a-z]+:", link)
        ]
        ahead += [path.resolve().relative_to(ROOT).as_posix() for path in paths if path.suffix == ".md"]

    assert set(PAGES) - {"README.md"} <= seen


def _names(page: str, pattern: str) -> set[str]:
    code = [*inline(page), *(block.text for block in blocks(page))]
    return {name for text in code for name in re.findall(pattern, text)}


@EVERYWHERE
def test_every_setting_on_the_page_exists(page: str) -> None:
    settings = {group.variable(name) for group in GROUPS for name in group.model_fields} | {"NORCE_SECRETS_DIR"}

    for name in _names(page, r"\bNORCE_[A-Z_]+"):
        if name.endswith("_"):  # NORCE_PRIVACY_...
            assert any(setting.startswith(name) for setting in settings), f"{page}: {name}"
        else:
            assert name in settings, f"{page}: {name}"


@EVERYWHERE
def test_every_metric_on_the_page_exists(page: str) -> None:
    metrics = {row["name"] for row in metrics_catalogue.rows()}
    headers = _names("docs/data.md", r"\bnorce_(?:reason|detail|where|origin)") | {"norce_retried_from"}
    files = {group.variable(name).lower() for group in GROUPS for name in group.model_fields}

    for name in _names(page, r"\bnorce_[a-z]+_[a-z_]+[a-z]"):
        assert name in metrics | headers | files, f"{page}: {name}"


@EVERYWHERE
def test_every_topic_on_the_page_exists(page: str) -> None:
    topics = [spec.name for spec in settings_report.all_topics()]

    for name in _names(page, r"\bnorce\.[a-z.*-]+[a-z*]"):
        pattern = re.escape(name).replace(r"\*", ".+")
        assert any(re.fullmatch(pattern, topic) for topic in topics), f"{page}: {name}"


# -- examples --------------------------------------------------------------------------------------------------------


def example(page: str, start: str) -> str:
    """The block that begins with that."""
    (found,) = [block.text for block in blocks(page) if block.text.startswith(start)]
    return found


def test_the_order_on_the_page_is_one_as_it_is_published() -> None:
    shown = json.loads(example("docs/data.md", '{\n  "id"'))

    order = msgspec.convert(shown, EnrichedOrder, strict=False)
    assert order.status == "delivered"
    assert set(shown) <= set(EnrichedOrder.__struct_fields__)


def test_the_push_policy_on_the_page_can_be_used() -> None:
    policies = PushPolicies.parse(example("docs/operating.md", '{\n  "default"'))

    assert policies.of(103, 1032).checkout.enabled is False


def test_the_accounts_on_the_page_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(example("docs/operating.md", '{"support-1"'))

    assert len(Accounts.read(file)) == 1


def test_the_digest_is_made_as_the_page_says(tmp_path: Path) -> None:
    line = example("docs/operating.md", "printf")
    done = subprocess.run(["sh", "-c", line], env={"TOKEN": "a token", "PATH": "/usr/bin:/bin"}, capture_output=True)
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"support-1": {"token_sha256": done.stdout.decode().split()[0], "roles": ["operator"]}}))

    found = Accounts.read(file).caller("a token")
    assert found is not None
    assert found.name == "support-1"
