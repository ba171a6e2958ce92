"""Bodies for people's eyes: what may be personal data is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pipeline.domain import masking
from pipeline.events import EVENT_TYPES

HIDDEN = "***"

_PERSONAL = frozenset(
    str(spec.model.model_fields[name].alias).lower() for spec in EVENT_TYPES.values() for name in spec.personal_data
)
_FREE_TEXT = frozenset(
    str(spec.model.model_fields[name].alias).lower() for spec in EVENT_TYPES.values() for name in spec.free_text
)


def masked(value: Any) -> Any:
    """A body with every field hidden that some event type has personal data in, however deep it lies.

    Free text is masked as in everything that is derived from it, see ``pipeline/domain/masking.py``. What is not a JSON
    object, so that nobody knows what is in it, is hidden as a whole.
    """
    body: Any = None
    if isinstance(value, str):
        try:
            body = orjson.loads(value)
        except orjson.JSONDecodeError:
            body = None
    if value is None or isinstance(body, dict):
        try:
            return None if value is None else _masked(body)
        except RecursionError:  # an answer of Norce's may be nested as deep as it likes
            return HIDDEN
    return HIDDEN


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        persons = [str(content) for name, content in value.items() if name.lower() in _PERSONAL]
        return {name: _field(name.lower(), content, persons) for name, content in value.items()}
    return [_masked(content) for content in value] if isinstance(value, list) else value


def _field(name: str, content: Any, persons: Sequence[str]) -> Any:
    if name in _PERSONAL:
        return None if content is None else HIDDEN
    if name in _FREE_TEXT and isinstance(content, str):
        return masking.masked(content, persons)
    return _masked(content)
