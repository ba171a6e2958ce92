"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"
    """It could not be looked at, because of something else that is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``process`` is empty where it concerns all; ``do`` says what helps."""

    check: str
    process: str
    verdict: Verdict
    says: str
    do: str = ""

    def json(self) -> dict[str, str]:
        return asdict(self)


def ok(check: str, process: str, says: str) -> Finding:
    return Finding(check, process, Verdict.OK, says)


def warning(check: str, process: str, says: str, do: str) -> Finding:
    return Finding(check, process, Verdict.WARNING, says, do)


def wrong(check: str, process: str, says: object, do: str) -> Finding:
    said = f"{type(says).__name__}: {says}" if isinstance(says, BaseException) else str(says)
    return Finding(check, process, Verdict.WRONG, said, do)


def skipped(check: str, process: str, why: str) -> Finding:
    return Finding(check, process, Verdict.SKIPPED, why)
