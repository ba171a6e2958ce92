"""Settings of the sinks."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import BaseUrl, Port, ProcessSettings, Seconds


class SinkSettings(ProcessSettings):
    """What both sinks share: how calls to Norce are limited, repeated and given up."""

    data_dir: Path = Field(description="Folder of the RocksDB memory of what was sent")
    slice_records: int = Field(default=500, ge=1, le=100_000, description="Most updates read ahead per partition")
    stall_timeout: Seconds = Field(
        default=600.0,
        description="Seconds with work waiting and none finished, while Norce answers, before /livez fails",
    )
    rate: float = Field(default=5.0, gt=0, description="Calls a second (assumed)")
    concurrency: int = Field(
        default=4, ge=1, le=1000, description="Calls in flight at once, never two for one order (assumed)"
    )
    connect_timeout: Seconds = Field(default=5.0, description="Seconds to open a connection")
    attempt_timeout: Seconds = Field(description="Seconds one call may take from its first to its last byte (assumed)")
    deadline: Seconds = Field(default=120.0, description="Seconds one update is tried while Norce answers others")
    backoff_initial: Seconds = Field(default=0.5, description="Seconds before the first repeat")
    backoff_max: Seconds = Field(default=30.0, description="Most seconds between two repeats")
    breaker_failures: int = Field(default=5, ge=1, description="Failures in a row that open the circuit breaker")
    breaker_reset: Seconds = Field(default=15.0, description="Seconds an open breaker waits before it tries one call")


class ConnectSettings(SinkSettings):
    """The Connect sink: SendOrderStatus of Connect Order Service 4.0."""

    model_config = SettingsConfigDict(env_prefix="NORCE_CONNECT_")

    base_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/commerce/connect/4.0")
    token_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/identity/1.0/connect/token")
    client_id: str = Field(description="OAuth2 client id", min_length=1)
    client_secret: SecretStr = Field(description="OAuth2 client secret", min_length=1)
    scope: str = Field(description="Environment(s) as OAuth2 scope: playground, stage or prod", min_length=1)
    query_url: BaseUrl | None = Field(
        default=None,
        description="https://{slug}.api-se[.{env}].norce.tech/commerce/query/3.0; read to keep an order's status",
    )
    query_rate: float = Field(default=2.0, gt=0, description="Query calls a second (assumed)")
    application_header: str | None = Field(
        default=None,
        description="Header that names the application, such as ApplicationId; none is documented (assumed)",
    )
    token_start_jitter: float = Field(
        default=0.0,
        ge=0,
        description="Seconds; the first token request waits a random part of it. For many workers behind one address",
    )
    account_id: int | None = Field(default=None, description="Norce account the change is logged under")
    data_dir: Path = Field(
        default=Path("data/sink-connect"), description=SinkSettings.model_fields["data_dir"].description
    )
    group: str = Field(default="norce-sink-connect", description=SinkSettings.model_fields["group"].description)
    port: Port = Field(default=8082, description=SinkSettings.model_fields["port"].description)
    attempt_timeout: Seconds = Field(default=30.0, description=SinkSettings.model_fields["attempt_timeout"].description)


class CheckoutChannel(BaseModel):
    """Where the Checkout orders of one application live. Events name neither merchant nor channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merchant: str = Field(min_length=1)
    channel: str = Field(min_length=1)


class CheckoutSettings(SinkSettings):
    """The Checkout sink: attributes on orders of the Checkout Order API."""

    model_config = SettingsConfigDict(env_prefix="NORCE_CHECKOUT_")

    base_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/checkout/order/api/v1")
    token: SecretStr = Field(description="Static bearer token, the primary one", min_length=1)
    secondary_token: SecretStr | None = Field(default=None, description="Static bearer token tried once after a 401")
    channels: dict[str, CheckoutChannel] = Field(
        description='JSON: "ClientId:ApplicationId" to {"merchant": ..., "channel": ...}; "*" for all others',
        min_length=1,
    )
    adapter_id: str | None = Field(
        default=None, description="x-adapterid, so that our own change fires none of our hooks"
    )
    attribute: str = Field(default="norcePipeline", description="The one attribute key that is written", min_length=1)
    data_dir: Path = Field(
        default=Path("data/sink-checkout"), description=SinkSettings.model_fields["data_dir"].description
    )
    group: str = Field(default="norce-sink-checkout", description=SinkSettings.model_fields["group"].description)
    port: Port = Field(default=8083, description=SinkSettings.model_fields["port"].description)
    attempt_timeout: Seconds = Field(default=10.0, description=SinkSettings.model_fields["attempt_timeout"].description)
