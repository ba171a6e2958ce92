"""The little of OData that the simulated Query understands: $filter with ``eq`` and ``and``, $select, $expand."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.simulator.contract import DoesNotFit

Row = Mapping[str, Any]
Fits = Callable[[Row], bool]

_COMPARISON = re.compile(r"\s*([A-Za-z]+)\s+eq\s+(?:'((?:[^']|'')*)'|(-?\d+))\s*")
_AND = re.compile(r"and\b")
_EXPANSION = re.compile(r"([A-Za-z]+)(?:\(\$select=([A-Za-z,]+)\))?")


def comparisons(text: str | None, fields: set[str]) -> dict[str, str | int]:
    """What a $filter asks each field to be.

    Raises:
        DoesNotFit: it is something else than comparisons of these fields joined by "and".
    """
    return dict(_compared(text, fields)) if text is not None else {}


def _compared(text: str, fields: set[str]) -> Iterator[tuple[str, str | int]]:
    place = 0
    while True:
        match = _COMPARISON.match(text, place)
        if match is None or match[1] not in fields:
            raise DoesNotFit(f"query $filter: only Field eq value, joined by and, of {', '.join(sorted(fields))}")
        yield match[1], int(match[3]) if match[3] is not None else match[2].replace("''", "'")
        place = match.end()
        if place == len(text):
            return
        joint = _AND.match(text, place)
        if joint is None:
            raise DoesNotFit("query $filter: comparisons are joined by and")
        place = joint.end()


def fits(row: Row, wanted: Mapping[str, str | int]) -> bool:
    """Whether a row is as a $filter asks; a text is no number."""
    return all(row[field] == value for field, value in wanted.items())


def shaped(row: Row, select: str | None, expand: str | None) -> dict[str, Any]:
    """The row with the fields that are selected and the parts that are expanded; other parts are left out.

    Raises:
        DoesNotFit: there is no such field or part.
    """
    plain = {name: value for name, value in row.items() if not isinstance(value, list | dict)}
    shown = _selected(plain, select)
    for part in re.split(r",(?![^(]*\))", expand) if expand else ():
        match = _EXPANSION.fullmatch(part.strip())
        if match is None or match[1] not in row or match[1] in plain:
            raise DoesNotFit(f"query $expand: there is no {part}")
        held = row[match[1]]
        shown[match[1]] = (
            [_selected(each, match[2]) for each in held] if isinstance(held, list) else _selected(held, match[2])
        )
    return shown


def _selected(row: Row, names: str | None) -> dict[str, Any]:
    if names is None:
        return dict(row)
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in row]:
        raise DoesNotFit(f"query $select: there is no {', '.join(unknown)}")
    return {name: row[name] for name in wanted}
