"""Bodies for people's eyes: what may be personal data is hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.events import EVENT_TYPES

HIDDEN = "***"

_PERSONAL = frozenset(
    str(spec.model.model_fields[name].alias).lower() for spec in EVENT_TYPES.values() for name in spec.personal_data
)


def masked(value: Any) -> Any:
    """A body with every field hidden that some event type has personal data in, however deep it lies.

    What is not a JSON object, so that nobody knows what is in it, is hidden as a whole.
    """
    body: Any = None
    if isinstance(value, str):
        try:
            body = orjson.loads(value)
        except orjson.JSONDecodeError:
            body = None
    if value is None or isinstance(body, dict):
        return None if value is None else _masked(body)
    return HIDDEN


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if str(name).lower() in _PERSONAL and content is not None else _masked(content)
            for name, content in value.items()
        }
    return [_masked(content) for content in value] if isinstance(value, list) else value
