"""Settings of the webhook connector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pipeline.events.deliveries import RETRY_DELAYS
from pipeline.settings.base import EVERY_ADDRESS, Port, Seconds, SettingsGroup


class WebhookSettings(SettingsGroup):
    """The webhook connector: HTTP in, Kafka out."""

    model_config = SettingsConfigDict(env_prefix="NORCE_WEBHOOK_")

    host: str = Field(default=EVERY_ADDRESS, description="Address to listen on")
    port: Port = Field(default=8080, description="Port to listen on")
    secrets: Annotated[list[SecretStr], NoDecode] = Field(
        description="Secrets Norce may send, comma separated; several are valid at once so that they can be rotated",
        min_length=1,
    )
    secret_header: str = Field(
        default="x-norce-secret", description="Static header that carries the secret", min_length=1
    )
    tls_cert_file: Path | None = Field(
        default=None, description="PEM file of the connector's certificate and its chain; without it plain HTTP"
    )
    tls_key_file: Path | None = Field(default=None, description="PEM file of that certificate's private key")
    reload_interval: Seconds = Field(
        default=10.0, description="Seconds between two looks whether secrets or certificate have changed; SIGHUP: now"
    )
    max_body_bytes: int = Field(default=65_536, ge=1024, description="Largest body, bytes (assumed)")
    header_timeout: Seconds = Field(
        default=5.0,
        description="Seconds a sender has for its request headers; idle connections are closed after it too",
    )
    body_timeout: Seconds = Field(default=5.0, description="Seconds a sender has for its body")
    produce_timeout: Seconds = Field(
        default=3.0, description="Seconds Kafka has to acknowledge before Norce gets a 503; Norce hangs up after 5"
    )
    max_in_flight: int = Field(default=1000, ge=1, description="Requests waiting for Kafka at once; beyond it: 503")
    retry_after: int = Field(default=5, ge=1, description="Seconds named in Retry-After with a 503")
    retry_delays: Annotated[list[Seconds], NoDecode] = Field(
        default=list(RETRY_DELAYS),
        description="Seconds between Norce's attempts to deliver an event, comma separated; then it gives the event up",
        min_length=1,
    )
    drain_timeout: Seconds = Field(default=10.0, description="Seconds that requests in flight get when stopping")
    accept_unknown_types: bool = Field(
        default=False,
        description="Take event types the catalogue does not name as free form instead of quarantining them",
    )
    source: str = Field(default="/norce", description="CloudEvents source of the published events", min_length=1)

    @field_validator("secrets", "retry_delays", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("secrets")
    @classmethod
    def _can_be_sent(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if not all(secret.get_secret_value().isascii() for secret in secrets):
            raise ValueError("a secret has other characters than ASCII, which no header carries")
        return secrets

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("NORCE_WEBHOOK_TLS_CERT_FILE and NORCE_WEBHOOK_TLS_KEY_FILE go together")
        return self
