"""Writing the contracts down, and comparing the code with what is written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts import changelog
from pipeline.contracts.changes import Change, Effect, changes
from pipeline.contracts.documents import Documents, documents, read, version, write

PUBLISHED = Path(__file__).parent / "published"
CHANGELOG = Path(__file__).parent / "CHANGELOG.md"


class BreakingChange(Exception):
    """What the code writes could break somebody who relies on the published contract."""

    def __init__(self, found: list[Change]) -> None:
        self.changes = [change for change in found if change.effect is Effect.BREAKING]
        lines = "\n".join(f"  {change.where}: {change.what}" for change in self.changes)
        super().__init__(
            f"{len(self.changes)} change(s) would break a reader of the published contract:\n{lines}\n"
            'Accept them with a new major version: norce-pipeline contracts write --accept "why"'
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The code beside the published contract. ``version`` is ``None`` if nothing is published."""

    version: str | None
    changes: list[Change]
    documents: Documents
    """The contracts as the code has them, under the published version."""

    @property
    def breaking(self) -> bool:
        return any(change.effect is Effect.BREAKING for change in self.changes)


def compare(folder: Path = PUBLISHED) -> Comparison:
    """Compare the code with the contracts in a folder."""
    before = read(folder)
    current = version(before)
    after = documents(current or changelog.FIRST)
    return Comparison(current, changes(before, after), after)


def publish(folder: Path = PUBLISHED, log: Path = CHANGELOG, accept: str | None = None) -> Comparison:
    """Write the contracts down if they changed, with a new version and an entry in the changelog.

    Raises:
        BreakingChange: a change could break a reader, and ``accept`` gives no reason to make it all the same.
    """
    found = compare(folder)
    if found.breaking and not accept:
        raise BreakingChange(found.changes)
    if not found.changes:
        return found
    new = changelog.next_version(found.version, found.changes)
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    fresh = documents(new)
    write(folder, fresh)
    log.write_text(changelog.with_entry(text, new, found.changes, accept if found.breaking else None), encoding="utf-8")
    return Comparison(new, found.changes, fresh)
