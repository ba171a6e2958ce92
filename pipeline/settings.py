"""Every setting of every process, with its meaning, unit and default, in one place.

Each process reads the groups it needs, so a sink does not ask for the webhook's secret. Values come from
environment variables (prefix ``NORCE_``; the broker list also answers to ``KAFKA_BOOTSTRAP_SERVERS``, the name other
Kafka tools use) and, for anything that should not stand in an environment, from files: a file in the folder named by
``NORCE_SECRETS_DIR`` that is called like the variable, in lower case, holds its value.

Defaults marked *assumed* answer a question that Norce does not document; see the README.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, overload

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableSetting

SECRETS_DIR_VARIABLE = "NORCE_SECRETS_DIR"


EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a container's port is to be reached from outside of it

BaseUrl = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(lambda url: url.rstrip("/"))]
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


class KafkaSettings(SettingsGroup):
    """The broker, and how topics are made."""

    model_config = SettingsConfigDict(env_prefix="NORCE_KAFKA_")

    bootstrap_servers: str = Field(
        validation_alias="KAFKA_BOOTSTRAP_SERVERS",
        description="Kafka brokers as host:port, comma separated",
        min_length=1,
    )
    partitions: int = Field(default=12, ge=1, le=1000, description="Partitions of every topic that carries order data")
    replication_factor: int = Field(default=3, ge=1, le=7, description="Replicas of every topic")
    min_insync_replicas: int = Field(
        default=2, ge=1, le=7, description="Replicas that must have a record before it counts"
    )
    request_timeout: Seconds = Field(default=10.0, description="Seconds before one request to a broker is given up")

    @model_validator(mode="after")
    def _replicas_agree(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"NORCE_KAFKA_MIN_INSYNC_REPLICAS ({self.min_insync_replicas}) is larger than "
                f"NORCE_KAFKA_REPLICATION_FACTOR ({self.replication_factor}): nothing could ever be written"
            )
        return self


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
    drain_timeout: Seconds = Field(default=10.0, description="Seconds that requests in flight get when stopping")
    accept_unknown_types: bool = Field(
        default=False,
        description="Take event types the catalogue does not name as free form instead of quarantining them",
    )
    source: str = Field(default="/norce", description="CloudEvents source of the published events", min_length=1)

    @field_validator("secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value


class WorkerSettings(SettingsGroup):
    """The worker: joins events into tables, derives updates and raises alerts."""

    model_config = SettingsConfigDict(env_prefix="NORCE_WORKER_")

    group: str = Field(
        default="norce-orders", description="Consumer group, and prefix of the changelog topics", min_length=1
    )
    data_dir: Path = Field(
        default=Path("data/worker"), description="Folder of the RocksDB state; losing it costs a rebuild, no data"
    )
    host: str = Field(default=EVERY_ADDRESS, description="Address of the health and metrics port")
    port: Port = Field(default=8081, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(
        default=2000, ge=1, le=100_000, description="Most records folded and committed as one step"
    )
    instance_id: str | None = Field(
        default=None,
        description="Name of this worker that outlives a restart, such as the pod's: restarts then cause no rebalance",
    )
    stall_timeout: Seconds = Field(
        default=120.0, description="Seconds with work waiting and none finished after which /livez fails"
    )
    push_policy_file: Path | None = Field(
        default=None,
        description="JSON file that says what is pushed to Connect and Checkout; without it the default policy",
    )
    alert_after: dict[str, float] = Field(
        default={},
        description='JSON: kind of alert to seconds that it has to be so before it opens, such as {"stuck": 86400}; '
        "what is not named has its default (assumed)",
    )
    alert_expires: dict[str, float | None] = Field(
        default={},
        description="JSON: kind of alert to seconds after which it closes by itself, null for never; what is not "
        "named has its default (assumed)",
    )
    alert_subscription_failures: int = Field(
        default=3, ge=1, le=100, description="Failures of one subscription or recurring order that are an alert"
    )
    alert_sweep_interval: Seconds = Field(
        default=15.0, description="Seconds between two looks for alerts that time alone opens or closes"
    )


class SinkSettings(SettingsGroup):
    """What both sinks share: how calls to Norce are limited, repeated and given up."""

    data_dir: Path = Field(description="Folder of the RocksDB memory of what was sent")
    group: str = Field(description="Consumer group, and prefix of the changelog topics", min_length=1)
    host: str = Field(default=EVERY_ADDRESS, description="Address of the health and metrics port")
    port: Port = Field(description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=500, ge=1, le=100_000, description="Most updates read ahead per partition")
    instance_id: str | None = Field(
        default=None,
        description="Name of this sink that outlives a restart, such as the pod's: restarts then cause no rebalance",
    )
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


class DriftSettings(SettingsGroup):
    """The drift watch: compares what Norce sends with the event models."""

    model_config = SettingsConfigDict(env_prefix="NORCE_DRIFT_")

    group: str = Field(
        default="norce-drift", description="Consumer group, and prefix of the changelog topics", min_length=1
    )
    data_dir: Path = Field(
        default=Path("data/drift"), description="Folder of the RocksDB state; losing it costs a rebuild, no data"
    )
    host: str = Field(default=EVERY_ADDRESS, description="Address of the health and metrics port")
    port: Port = Field(default=8086, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=2000, ge=1, le=100_000, description="Most records looked at as one step")
    instance_id: str | None = Field(
        default=None,
        description="Name of this process that outlives a restart, such as the pod's: restarts then cause no rebalance",
    )
    stall_timeout: Seconds = Field(
        default=120.0, description="Seconds with work waiting and none finished after which /livez fails"
    )
    bodies_without: int = Field(
        default=50, ge=2, le=5000, description="Bodies in a row, per partition, without an optional field that had it"
    )
    bodies_before: int = Field(default=100, ge=2, le=5000, description="Bodies before those that are compared with")
    usual_share: float = Field(
        default=0.8, gt=0, le=1, description="Share of the bodies before that must have had the field"
    )


def key_bytes(secret: SecretStr) -> bytes:
    """The bytes of a key that stands in the settings as base64.

    Raises:
        ValueError: it is no base64, or fewer than 32 bytes.
    """
    key = base64.b64decode(secret.get_secret_value(), validate=True)
    if len(key) < 32:
        raise ValueError("fewer than 32 bytes")
    return key


class PrivacySettings(SettingsGroup):
    """The privacy process: pseudonyms on public topics, encrypted values on private ones."""

    model_config = SettingsConfigDict(env_prefix="NORCE_PRIVACY_")

    pseudonym_keys: dict[str, SecretStr] = Field(
        description='JSON: key id to base64 of 32 random bytes, {"p1": ...}; every key that was ever in use',
        min_length=1,
    )
    pseudonym_key_id: str = Field(default="p1", description="The pseudonym key in use")
    retired_pseudonym_keys: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Key ids, comma separated, whose pseudonyms are not published any more; persons are found by them",
    )
    encryption_keys: dict[str, SecretStr] = Field(
        description='JSON: key id to base64 of 32 random bytes, {"k1": ...}; they wrap the data keys of persons',
        min_length=1,
    )
    encryption_key_id: str = Field(default="k1", description="The key-encryption key in use")
    group: str = Field(default="norce-privacy", description="Consumer group", min_length=1)
    data_dir: Path = Field(
        default=Path("data/privacy"), description="Folder of the RocksDB state; emptied at each start and stop"
    )
    host: str = Field(default=EVERY_ADDRESS, description="Address of the health and metrics port")
    port: Port = Field(default=8087, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=500, ge=1, le=100_000, description="Most records sealed as one step")
    instance_id: str | None = Field(
        default=None,
        description="Name of this process that outlives a restart, such as the pod's: restarts then cause no rebalance",
    )
    stall_timeout: Seconds = Field(
        default=300.0, description="Seconds with work waiting and none finished after which /livez fails"
    )
    tick_interval: Seconds = Field(
        default=900.0, description="Seconds between two records that let the private topics begin new segments"
    )

    @field_validator("retired_pseudonym_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("pseudonym_keys", "encryption_keys")
    @classmethod
    def _usable(cls, ring: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key_id, secret in ring.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", key_id):
                raise ValueError("a key id has 1 to 20 letters, digits, - or _")
            try:
                key_bytes(secret)
            except ValueError:
                raise ValueError(f"key {key_id!r} is not base64 of at least 32 bytes") from None
        return ring

    @model_validator(mode="after")
    def _in_the_ring(self) -> Self:
        if self.pseudonym_key_id not in self.pseudonym_keys:
            raise ValueError(f"NORCE_PRIVACY_PSEUDONYM_KEYS has no key {self.pseudonym_key_id!r}")
        if self.encryption_key_id not in self.encryption_keys:
            raise ValueError(f"NORCE_PRIVACY_ENCRYPTION_KEYS has no key {self.encryption_key_id!r}")
        if self.pseudonym_key_id in self.retired_pseudonym_keys:
            raise ValueError(f"the pseudonym key in use, {self.pseudonym_key_id!r}, is among the retired ones")
        if any(len(key_bytes(secret)) != 32 for secret in self.encryption_keys.values()):
            raise ValueError("NORCE_PRIVACY_ENCRYPTION_KEYS: a key of AES-256 has 32 bytes")
        return self


class SchemaRegistrySettings(SettingsGroup):
    """A schema registry, which is optional: with it the worker's records carry the id of their schema."""

    model_config = SettingsConfigDict(env_prefix="NORCE_SCHEMA_REGISTRY_")

    url: BaseUrl | None = Field(
        default=None,
        description="Registry with Confluent's interface. Records of the worker then have its wire format",
    )
    username: str | None = Field(default=None, description="User name at the registry")
    password: SecretStr | None = Field(default=None, description="Password at the registry")
    register_schemas: bool = Field(
        default=True, description="Register schemas that the registry lacks; off: do not start without them"
    )
    timeout: Seconds = Field(default=10.0, description="Seconds one request to the registry may take")


class LogSettings(SettingsGroup):
    """How processes log."""

    model_config = SettingsConfigDict(env_prefix="NORCE_LOG_")

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is written"
    )
    format: Literal["text", "json"] = Field(default="text", description="text for people, json for log collectors")


GROUPS: tuple[type[SettingsGroup], ...] = (
    KafkaSettings,
    WebhookSettings,
    WorkerSettings,
    ConnectSettings,
    CheckoutSettings,
    SimulatorSettings,
    DriftSettings,
    PrivacySettings,
    SchemaRegistrySettings,
    LogSettings,
)


A = TypeVar("A", bound=SettingsGroup)
B = TypeVar("B", bound=SettingsGroup)
C = TypeVar("C", bound=SettingsGroup)


@overload
def load(first: type[A], /) -> tuple[A]: ...
@overload
def load(first: type[A], second: type[B], /) -> tuple[A, B]: ...
@overload
def load(first: type[A], second: type[B], third: type[C], /) -> tuple[A, B, C]: ...
def load(*groups: type[SettingsGroup]) -> tuple[SettingsGroup, ...]:
    """Read several groups at once.

    Raises:
        SettingsError: naming every missing or wrong variable of all groups.
    """
    loaded: list[SettingsGroup] = []
    problems: list[tuple[str, str]] = []
    for group in groups:
        try:
            loaded.append(group())
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
