"""No fault is without a test, every test that is named is there, and the README says the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, numbers_of


def functions(repository: Path, path: str) -> set[str]:
    tree = ast.parse((repository / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_of_the_25_faults_has_a_test() -> None:
    assert list(FAULTS) == list(range(1, 26))
    assert [number for number, fault in FAULTS.items() if not fault.tests] == []


def test_every_test_that_a_fault_names_is_there(repository: Path) -> None:
    named = [test.split("::") for fault in FAULTS.values() for test in fault.tests]
    missing = [f"{path}::{name}" for path, name in named if name not in functions(repository, path)]
    assert missing == []


def test_a_test_of_a_fault_carries_its_marker(request: pytest.FixtureRequest) -> None:
    collected = {item.nodeid.partition("[")[0]: item for item in request.session.items}
    for number, fault in FAULTS.items():
        for test in fault.tests:
            item = collected.get(f"tests/{test}")
            assert item is None or number in [mark.args[0] for mark in item.iter_markers("fault")]
    assert numbers_of("engine/test_slices.py", "test_nothing_is_committable_past_an_unfinished_slice") == [4]


def test_the_readme_lists_the_faults_with_their_tests(repository: Path) -> None:
    _, _, chapter = (repository / "README.md").read_text("utf-8").partition("\n## Faults it is put to\n")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", chapter, re.M)
    told = {int(number): (what, where) for number, what, where in rows}
    assert told == {number: (fault.what, where(fault.tests)) for number, fault in FAULTS.items()}


def where(tests: tuple[str, ...]) -> str:
    return ", ".join(f"`{path}`" for path in dict.fromkeys(test.partition("::")[0] for test in tests))
