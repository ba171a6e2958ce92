"""Settings as a table: value, source and meaning of each, secrets hidden."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from pipeline import topics
from pipeline.audit.snapshot import Groups
from pipeline.drift import DRIFT_TABLES, DRIFT_TOPICS
from pipeline.privacy import PRIVACY_TOPICS
from pipeline.settings import (
    GROUPS,
    SECRETS_DIR_VARIABLE,
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    LookupSettings,
    SettingsGroup,
    WorkerSettings,
)

HIDDEN = "***"


def rows() -> list[dict[str, Any]]:
    """One row per setting: ``variable``, ``value``, ``source`` (environment, file, default or not set), ``meaning``."""
    return [_row(group, name) for group in GROUPS for name in group.model_fields]


def all_topics() -> list[topics.TopicSpec]:
    """Every topic of the pipeline, with the changelogs of the configured consumer groups."""
    catalogue = topics.catalogue(
        (value(WorkerSettings, "group"), topics.WORKER_TABLES),
        (value(ConnectSettings, "group"), topics.SINK_TABLES),
        (value(CheckoutSettings, "group"), topics.SINK_TABLES),
        (value(DriftSettings, "group"), DRIFT_TABLES),
        (value(LookupSettings, "group"), topics.LOOKUP_TABLES),
    )
    return [*catalogue, *DRIFT_TOPICS, *PRIVACY_TOPICS]


def groups() -> Groups:
    """The configured consumer groups of the worker and the sinks."""
    return Groups(*(value(group, "group") for group in (WorkerSettings, ConnectSettings, CheckoutSettings)))


def _row(group: type[SettingsGroup], name: str) -> dict[str, Any]:
    info = group.model_fields[name]
    source, value = found(group, name)
    return {
        "variable": group.variable(name),
        "value": HIDDEN if value and _is_secret(info.annotation) else value,
        "source": source,
        "meaning": info.description or "",
    }


def found(group: type[SettingsGroup], name: str) -> tuple[str, str]:
    variable = group.variable(name)
    for given, content in os.environ.items():
        if given.upper() == variable and content:
            return "environment", content
    folder = os.environ.get(SECRETS_DIR_VARIABLE)
    if folder:
        for path in sorted(Path(folder).glob("*")):
            if path.name.upper() == variable and path.is_file():
                return f"file {path}", path.read_text().strip()
    default = group.model_fields[name].default
    if default is PydanticUndefined:
        return "not set", ""
    return "default", "" if default is None else str(default)


def value(group: type[SettingsGroup], name: str) -> str:
    """A setting as text, without the rest of its group having to be there."""
    return found(group, name)[1]


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in getattr(annotation, "__args__", ()))
