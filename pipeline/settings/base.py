"""What a group of settings is, where its values come from, and how several are read at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableSetting

SECRETS_DIR_VARIABLE = "NORCE_SECRETS_DIR"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a container's port is to be reached from outside of it

# Without a user name and password before the host: they would stand in every log line that names the address.
BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/@]+(/.*)?$"), AfterValidator(lambda url: url.rstrip("/"))]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]


class SettingsError(Exception):
    """Missing or contradictory settings, all of them at once.

    ``problems`` is a list of ``(variable, what is wrong)``.
    """

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {variable}: {problem}" for variable, problem in problems)
        super().__init__(f"{len(problems)} setting(s) are missing or wrong:\n{lines}")


class SettingsGroup(BaseSettings):
    """One group of settings; unknown variables are left to the other groups."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        folder = os.environ.get(SECRETS_DIR_VARIABLE)
        if folder:
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=folder))
        return tuple(sources)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable a field is read from."""
        info = cls.model_fields[field]
        if isinstance(info.validation_alias, str):
            return info.validation_alias
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


class ProcessSettings(SettingsGroup):
    """What all processes with a consumer group and state share."""

    group: str = Field(description="Consumer group, and prefix of the changelog topics", min_length=1)
    data_dir: Path = Field(description="Folder of the RocksDB state; losing it costs a rebuild, no data")
    host: str = Field(default=EVERY_ADDRESS, description="Address of the health and metrics port")
    port: Port = Field(description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=2000, ge=1, le=100_000, description="Most records taken as one step")
    instance_id: str | None = Field(
        default=None,
        description="Name of this process that outlives a restart, such as the pod's: restarts then cause no rebalance",
    )
    stall_timeout: Seconds = Field(
        default=120.0, description="Seconds with work waiting and none finished after which /livez fails"
    )


A = TypeVar("A", bound=SettingsGroup)
B = TypeVar("B", bound=SettingsGroup)
C = TypeVar("C", bound=SettingsGroup)
D = TypeVar("D", bound=SettingsGroup)


@overload
def load(first: type[A], /, **given: Any) -> tuple[A]: ...
@overload
def load(first: type[A], second: type[B], /) -> tuple[A, B]: ...
@overload
def load(first: type[A], second: type[B], third: type[C], /) -> tuple[A, B, C]: ...
@overload
def load(first: type[A], second: type[B], third: type[C], fourth: type[D], /) -> tuple[A, B, C, D]: ...
def load(*groups: type[SettingsGroup], **given: Any) -> tuple[SettingsGroup, ...]:
    """Read several groups at once. ``given`` are variables that have these values, whatever the environment says.

    Raises:
        SettingsError: naming every missing or wrong variable of all groups.
    """
    loaded: list[SettingsGroup] = []
    problems: list[tuple[str, str]] = []
    for group in groups:
        try:
            loaded.append(group(**given))
        except ValidationError as error:
            problems.extend(_problem(group, item) for item in error.errors(include_url=False, include_input=False))
        except UnreadableSetting as error:
            problems.append(_unreadable(group, str(error)))
    if problems:
        raise SettingsError(problems)
    return tuple(loaded)


def _problem(group: type[SettingsGroup], item: Any) -> tuple[str, str]:
    """The variable that is wrong, and what is; a rule over several settings names them in its message."""
    message = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return "several settings", message
    name, *place = (str(part) for part in item["loc"])
    variable = group.variable(name) if name in group.model_fields else name
    return variable, f"{'.'.join(place)}: {message}" if place else message


def _unreadable(group: type[SettingsGroup], message: str) -> tuple[str, str]:
    """The variable that should hold JSON and does not; pydantic-settings names the field in its message only."""
    for name in group.model_fields:
        if f'"{name}"' in message:
            return group.variable(name), "is not JSON"
    return group.__name__, message
