"""Settings of the Norce simulator."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pipeline.settings.base import BaseUrl, SettingsGroup


class SimulatorSettings(SettingsGroup):
    """The Norce simulator: Identity, Connect, Checkout and Query to talk to, and webhooks to receive."""

    model_config = SettingsConfigDict(env_prefix="NORCE_SIMULATOR_")

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8090, ge=0, le=65535, description="Port of all simulated services; 0 takes any free one")
    webhook_url: BaseUrl | None = Field(
        default=None, description="Connector to post events to, up to and without /{EventType}"
    )
    webhook_secret: SecretStr | None = Field(default=None, description="Secret sent with every event")
    webhook_secret_header: str = Field(default="x-norce-secret", description="Header the secret goes in")
    seed: int = Field(default=1, description="One number that reproduces the run")
    orders: int = Field(default=200, ge=0, le=10_000_000, description="Orders in the scenario")
    rate: float = Field(default=200.0, gt=0, description="Events a second at most")
    concurrency: int = Field(default=32, ge=1, description="Posts in flight at once")
    time_scale: float = Field(
        default=1.0, gt=0, description="Speed of Norce's retry schedule; 3600 turns an hour into a second"
    )
    duplicates: float = Field(default=0.0, ge=0, le=1, description="Share of events posted again after they were taken")
    reordering: float = Field(default=0.0, ge=0, le=1, description="Share of events held back behind later ones")
    drops: float = Field(default=0.0, ge=0, le=1, description="Share of events that are never posted")
    bad: float = Field(default=0.0, ge=0, le=1, description="Share of events followed by one whose body does not fit")
    exit_when_done: bool = Field(default=False, description="End when every event was taken or given up")
    failures: float = Field(
        default=0.0, ge=0, le=1, description="Share of calls to the simulated APIs answered 500, 503 or 429"
    )
    lost_answers: float = Field(
        default=0.0, ge=0, le=1, description="Share of calls that take effect but whose answer is lost"
    )
    latency: float = Field(default=0.0, ge=0, description="Mean seconds a simulated API takes to answer")
    client_id: str = Field(default="simulator", description="OAuth2 client id that Identity accepts")
    client_secret: SecretStr = Field(
        default=SecretStr("simulator"), description="OAuth2 client secret that Identity accepts"
    )
    token_lifetime: int = Field(default=3600, ge=1, description="Seconds an OAuth2 token is valid")
    token_requests_per_minute: float = Field(default=3.0, gt=0, description="Token requests a minute and address")
    token_burst: int = Field(default=20, ge=1, description="Token requests an address may make at once")
    checkout_tokens: Annotated[list[SecretStr], NoDecode] = Field(
        default=[SecretStr("simulator-primary"), SecretStr("simulator-secondary")],
        description="Static bearer tokens that Checkout accepts, comma separated",
    )

    @field_validator("checkout_tokens", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value
