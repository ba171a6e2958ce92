"""Nothing on the pages of the documentation is without a test that executes it, or a reason why none does."""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.docs.executed import BLOCKS, COMMANDS, NO_PROGRAM, NOT_HERE
from tests.docs.markdown import PAGES, ROOT, SHELLS, blocks, commands

GIVEN = sorted({" ".join(words) for page in PAGES for words in commands(page)})


def answers(line: str) -> list[str]:
    """What the table says of a command; one that is only named, without what it needs, is what it is with it."""
    exact = [pattern for pattern in (*COMMANDS, *NOT_HERE) if fnmatchcase(line, pattern)]
    return exact or [pattern for pattern in COMMANDS if pattern.startswith(f"{line} ")][:1]


@pytest.mark.parametrize("line", GIVEN)
def test_a_command_on_the_pages_has_one_answer_to_who_gives_it(line: str) -> None:
    assert len(answers(line)) == 1, f"tests/docs/executed.py says nothing, or too much, of: {line}: {answers(line)}"


@pytest.mark.parametrize("page", PAGES)
def test_a_block_on_the_page_that_is_no_command_has_one_answer_to_who_uses_it(page: str) -> None:
    table = [start for there, start in (*BLOCKS, *NO_PROGRAM) if there == page]
    texts = [block.text for block in blocks(page) if block.language not in SHELLS]

    assert [text for text in texts if sum(text.startswith(start) for start in table) != 1] == []
    assert [start for start in table if not any(text.startswith(start) for text in texts)] == []


def test_the_table_names_nothing_that_is_not_on_the_pages() -> None:
    needed = {pattern for line in GIVEN for pattern in answers(line)}

    assert set(COMMANDS) | set(NOT_HERE) == needed


def test_a_new_command_would_have_no_answer() -> None:
    assert answers("norce-pipeline topics forget norce.updates") == []
    assert answers("make coffee") == []


@pytest.mark.parametrize("test", sorted({*COMMANDS.values(), *BLOCKS.values()}))
def test_the_test_that_is_named_is_there(test: str) -> None:
    file, _, function = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))

    assert function in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_a_target_that_writes_files_runs_and_writes_what_is_there(tmp_path: Path) -> None:
    """``make k8s`` and ``make sbom``, in a copy: others read the files meanwhile."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    installed = [f"--old-file=.venv/.{stamp}" for stamp in ("installed", "installed-dev")]
    done = subprocess.run(
        ["make", *installed, f"BIN={Path(sys.executable).parent}", "k8s", "sbom"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [name for name in names if (tmp_path / name).read_bytes() != (ROOT / name).read_bytes()] == []
    assert '"bomFormat": "CycloneDX"' in (tmp_path / "build/sbom.cdx.json").read_text()
