"""What an event model says about each field, in the words that a drift report needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pipeline.events import NorceEvent


@dataclass(frozen=True, slots=True)
class DocumentedField:
    """One field of a model: its attribute, the JSON types it may have, and whether it may be left out."""

    attribute: str
    types: frozenset[str]
    required: bool

    def takes(self, json_type: str) -> bool:
        """Whether a value of this JSON type can be right; a whole number is a number, too."""
        return json_type in self.types or (json_type == "integer" and "number" in self.types)


@lru_cache(maxsize=256)
def documented_fields(model: type[NorceEvent]) -> Mapping[str, DocumentedField]:
    """The fields of a model by Norce's names."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    attributes = {str(info.alias): name for name, info in model.model_fields.items()}
    return MappingProxyType(
        {
            name: DocumentedField(attributes[name], frozenset(_types(part)), name in required)
            for name, part in schema["properties"].items()
        }
    )


def _types(schema: Mapping[str, Any]) -> set[str]:
    found = {schema["type"]} if "type" in schema else set()
    return found.union(*(_types(part) for part in schema.get("anyOf", ())))
