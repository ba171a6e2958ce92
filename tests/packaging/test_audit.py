"""What "make audit-dependencies" makes of what the advisory service says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

FINE = {"name": "fine", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([FINE], 0, ["1 packages, no known vulnerability"]),
        ([FINE, BAD, UNKNOWN], 1, ["bad 2.0: PYSEC-1, fixed in 2.1"]),
        ([UNKNOWN, UNKNOWN], 0, ["NOT AUDITED: the advisory service is not reachable from here"]),
        (
            [FINE, UNKNOWN],
            0,
            ["1 packages, no known vulnerability", "not audited, unknown to the advisory service: unknown"],
        ),
    ],
    ids=["fine", "vulnerable", "nobody answers", "one is unknown"],
)
def test_a_vulnerability_fails_and_silence_is_not_taken_for_health(
    packages: list[Any], code: int, said: list[str], repository: Path
) -> None:
    judge = runpy.run_path(str(repository / ".ci" / "audit_dependencies.py"))["judge"]

    assert judge({"dependencies": packages}) == (code, said)


def test_continuous_integration_audits_every_lock_that_is_installed_there(repository: Path) -> None:
    script = runpy.run_path(str(repository / ".ci" / "audit_dependencies.py"))

    assert "make audit-dependencies" in (repository / ".ci" / "run").read_text()
    assert set(script["LOCKS"]) == {"requirements.lock", "requirements-dev.lock", "requirements-uv.lock"}
