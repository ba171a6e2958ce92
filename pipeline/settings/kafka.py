"""Settings of what all processes use: the broker, the schema registry, the log."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import BaseUrl, Seconds, SettingsGroup


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
    body_retention_days: int = Field(
        default=28,
        ge=1,
        le=3650,
        description="Days that bodies as Norce sent them are kept, on the event topics, in the quarantine and the dead "
        "letters. They name persons; 28 days and the one that a segment takes are less than the month in which a "
        "request for erasure has to be met (GDPR, article 12(3)), so these topics meet it by themselves",
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
