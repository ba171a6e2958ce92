"""Files that take longest begin first, so that at the end of a run no process waits for the last one of them.

``pytest --note-durations`` notes what each file took in ``tests/durations.json``. Only the order is made of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

NOTED = Path(__file__).with_suffix(".json")
SHORT = 2
"""Seconds below which it does not matter when a file begins."""


def longest_first(items: list[pytest.Item]) -> None:
    """Order tests by what their file took, and leave those of a file together and as they are."""
    noted: dict[str, int] = json.loads(NOTED.read_text())
    items.sort(key=lambda item: -noted.get(_file(item.nodeid), 0))


class Noting:
    """Adds up what the tests of each file take, and notes it at the end; files that were not run stay as noted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        before: dict[str, int] = json.loads(NOTED.read_text())
        noted = {**before, **{file: round(seconds) for file, seconds in self._seconds.items()}}
        NOTED.write_text(json.dumps(dict(self._kept(noted.items())), indent=2) + "\n")

    def _kept(self, noted: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
        there = [(file, seconds) for file, seconds in noted if seconds >= SHORT and (self._root / file).exists()]
        return sorted(there, key=lambda each: (-each[1], each[0]))


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
