"""Settings of the console."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import EVERY_ADDRESS, BaseUrl, Port, Seconds, SettingsGroup


class ConsoleSettings(SettingsGroup):
    """The console: the query API over the workers' tables, and the web page on top of it."""

    model_config = SettingsConfigDict(env_prefix="NORCE_CONSOLE_")

    host: str = Field(default=EVERY_ADDRESS, description="Address to listen on")
    port: Port = Field(default=8084, description="Port of the page, the query API, /livez, /readyz and /metrics")
    workers: list[BaseUrl] = Field(
        min_length=1,
        description='JSON: where the workers answer, such as ["http://worker:8081"]; a name may stand for many of them',
    )
    processes: dict[str, list[BaseUrl]] = Field(
        default={},
        description='JSON: name of a process to where it answers, for the overview, such as {"webhook": '
        '["http://webhook:8080"]}; names: webhook, sink-connect, sink-checkout, lookup, drift, privacy',
    )
    accounts_file: Path | None = Field(
        default=None,
        description="JSON file of who may do what: {name: {token_sha256, roles}}, roles: operator, privacy. Without it "
        "everybody may read and nobody do anything",
    )
    reading_needs_account: bool = Field(default=False, description="Whether reading, too, needs an account")
    timeout: Seconds = Field(default=10.0, description="Seconds that a worker has to answer")
    command_timeout: Seconds = Field(
        default=30.0, description="Seconds that a command on dead letters is waited for; it stands beyond them"
    )
