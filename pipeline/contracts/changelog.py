"""The changelog of the contract: a heading per version, the newest first, and a line per change."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.contracts.changes import Change, Effect

_HEADING = re.compile(r"^## (\d+\.\d+\.\d+)$", re.MULTILINE)

FIRST = "1.0.0"

_ABOUT = """\
# Contract changelog

What changed in the contracts of the public topics; `norce-pipeline contracts write` keeps it. The first number of a
version is raised by what can break a reader, with the reason it was accepted for, the second by what cannot, the third
by wording.
"""


def next_version(current: str | None, found: Iterable[Change]) -> str:
    """The version of a contract after these changes."""
    if current is None:
        return FIRST
    major, minor, patch = (int(part) for part in current.split("."))
    effects = {change.effect for change in found}
    if Effect.BREAKING in effects:
        return f"{major + 1}.0.0"
    if Effect.COMPATIBLE in effects:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def newest_version(text: str) -> str | None:
    """The version that the changelog begins with."""
    heading = _HEADING.search(text)
    return heading.group(1) if heading else None


def with_entry(text: str, version: str, found: Iterable[Change], accepted: str | None = None) -> str:
    """The changelog with an entry on top."""
    lines = [f"## {version}", ""]
    if version == FIRST:
        lines += ["First published."]
    else:
        if accepted:
            lines += [f"Accepted because: {accepted}", ""]
        lines += [f"- {change}" for change in sorted(found, key=lambda change: list(Effect).index(change.effect))]
    heading = _HEADING.search(text)
    older = text[heading.start() :] if heading else ""
    return "\n".join([_ABOUT, *lines, "", older]).rstrip() + "\n"
