"""Norce's own documents, kept next to the repository in ``shared/norce``: they are Norce's, and not ours to ship."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "norce"


def norce_document(file: str) -> Path:
    """Where a document is. Without it: a failure in CI, elsewhere a skip that says what was not compared."""
    path = _FOLDER / file
    if not path.exists():
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"Norce's {file} is not in shared/norce next to the repository, so nothing is compared with it")
    return path


def is_there(file: str) -> bool:
    """For what is decided while tests are collected."""
    return (_FOLDER / file).exists()
