"""The personal values of one order, whatever the order and number of its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.events import EventSpec
from pipeline.privacy.identifiers import Identifier, identifier

MAX_VALUES = 8
"""Different values of one field that are kept: the first in the order of their text, so that it is always the same."""

Personal = Mapping[str, tuple[str, ...]]
"""Attribute to its different values, sorted. Contradicting values all stand there: none is chosen over another."""


def personal_of(spec: EventSpec, event: Any) -> Personal:
    """The personal values in an event, by the marks of its model."""
    values = {attribute: getattr(event, attribute) for attribute in spec.personal_data}
    return {attribute: (value,) for attribute, value in values.items() if value is not None and value.strip()}


def merge(one: Personal, other: Personal) -> Personal:
    """The values of both. Merging is commutative, associative and idempotent, the limit included."""
    return {
        attribute: tuple(sorted({*one.get(attribute, ()), *other.get(attribute, ())})[:MAX_VALUES])
        for attribute in sorted({*one, *other})
    }


def identifiers(personal: Personal) -> list[Identifier]:
    """The addresses and numbers in the values, each once, sorted."""
    found = {identifier(attribute, value) for attribute, values in personal.items() for value in values}
    return sorted(each for each in found if each is not None)
