"""What identifies a person, in one form however it was typed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pipeline.events import EVENT_TYPES

IdentifierKind = Literal["email", "phone", "order"]
"""``order`` stands in where a record has neither address nor number, so that its names can be locked, too."""

PERSONAL_FIELDS: Mapping[str, str] = MappingProxyType(
    {name: kind for spec in EVENT_TYPES.values() for name, kind in spec.personal_data.items()}
)
"""Attributes that the event models mark as personal data, with their kind. Nothing else lists them."""

PERSONAL_TOPICS: tuple[str, ...] = tuple(
    dict.fromkeys(spec.topic for spec in EVENT_TYPES.values() if spec.personal_data)
)
"""Event topics whose bodies hold personal data in the clear: private by access control and short retention."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """A normalised address or number, or an order's key."""

    kind: IdentifierKind
    text: str

    def __repr__(self) -> str:
        return f"Identifier({self.kind})"  # not the text: it would end up in logs


def email(address: str) -> Identifier | None:
    """An e-mail address: trimmed, lower case. ``None`` if nothing is left."""
    text = unicodedata.normalize("NFKC", address).strip().lower()
    return Identifier("email", text) if text else None


def phone(number: str) -> Identifier | None:
    """A phone number: its digits, without a leading international 00. ``None`` if it has none.

    A national and an international spelling of one number stay two identifiers: no body says the country.
    """
    digits = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", number)).removeprefix("00")
    return Identifier("phone", digits) if digits else None


def identifier(attribute: str, value: str) -> Identifier | None:
    """What a personal field identifies somebody by; ``None`` for names and empty values."""
    match PERSONAL_FIELDS.get(attribute):
        case "email":
            return email(value)
        case "phone":
            return phone(value)
        case _:
            return None
