"""Looks the locked dependencies up among known vulnerabilities: ``make audit-dependencies``.

pip-audit says "No known vulnerabilities found" also when no advisory service knew a single package, as behind a mirror
that serves packages only. This says which of the two it was. Ends with 1 if a vulnerability is known, with 0 otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")
SECONDS = 300


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit code that a report of pip-audit comes to, and what to say."""
    packages = report["dependencies"]
    vulnerable = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if vulnerable:
        return 1, vulnerable
    if len(skipped) == len(packages):
        return 0, ["NOT AUDITED: the advisory service is not reachable from here"]
    said = [f"{len(packages) - len(skipped)} packages, no known vulnerability"]
    return 0, said + ([f"not audited, unknown to the advisory service: {', '.join(skipped)}"] if skipped else [])


def main(arguments: list[str]) -> int:
    """Audit the lock files of the working directory."""
    command = [Path(sys.executable).with_name("pip-audit"), "--vulnerability-service", "pypi", "--disable-pip"]
    command += ["--require-hashes", "--format", "json", "--progress-spinner", "off", *arguments]
    for lock in LOCKS:
        command += ["--requirement", lock]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        code, lines = judge(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        lines = [f"NOT AUDITED: the advisory service does not answer ({type(error).__name__})"]
        code = 0
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
