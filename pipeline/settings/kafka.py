"""Settings of what all processes use: the broker, the schema registry, the log."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import BaseUrl, Seconds, SettingsError, SettingsGroup


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
    tls_ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities that brokers' certificates come from; without it no TLS"
    )
    tls_cert_file: Path | None = Field(default=None, description="PEM file of the certificate that names this process")
    tls_key_file: Path | None = Field(default=None, description="PEM file of that certificate's private key")
    sasl_username: str | None = Field(
        default=None, description="User that this process logs in to the brokers as, over TLS; without it no SASL"
    )
    sasl_password: SecretStr | None = Field(default=None, description="Password of that user")
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        default="SCRAM-SHA-512", description="How the password is proven; PLAIN sends it to the broker"
    )

    @model_validator(mode="after")
    def _replicas_agree(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"NORCE_KAFKA_MIN_INSYNC_REPLICAS ({self.min_insync_replicas}) is larger than "
                f"NORCE_KAFKA_REPLICATION_FACTOR ({self.replication_factor}): nothing could ever be written"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("NORCE_KAFKA_TLS_CERT_FILE and NORCE_KAFKA_TLS_KEY_FILE go together")
        if self.tls_cert_file is not None and self.tls_ca_file is None:
            raise ValueError("NORCE_KAFKA_TLS_CERT_FILE needs NORCE_KAFKA_TLS_CA_FILE: without it there is no TLS")
        return self

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        if (self.sasl_username is None) != (self.sasl_password is None):
            raise ValueError("NORCE_KAFKA_SASL_USERNAME and NORCE_KAFKA_SASL_PASSWORD go together")
        if self.sasl_username is not None and self.tls_ca_file is None:
            raise ValueError(
                "NORCE_KAFKA_SASL_USERNAME needs NORCE_KAFKA_TLS_CA_FILE: passwords are for brokers that proved who "
                "they are"
            )
        return self

    def tls(self) -> ssl.SSLContext | None:
        """What connections to brokers are encrypted and authenticated with, ``None`` for plain ones.

        Raises:
            SettingsError: a file cannot be read or is no PEM.
        """
        if self.tls_ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError([(self.variable("tls_ca_file"), f"{self.tls_ca_file}: {error}")]) from error
        if self.tls_cert_file is not None:
            try:
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file)
            except OSError as error:
                raise SettingsError([(self.variable("tls_cert_file"), f"{self.tls_cert_file}: {error}")]) from error
        return context

    def security(self) -> dict[str, Any]:
        """How a client of aiokafka proves who it is and encrypts, as its arguments. Raises like :meth:`tls`."""
        context = self.tls()
        if context is None:
            return {}
        if self.sasl_username is None or self.sasl_password is None:
            return {"security_protocol": "SSL", "ssl_context": context}
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": context,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password.get_secret_value(),
        }

    def connection(self) -> dict[str, Any]:
        """How a client of aiokafka reaches the brokers, as its arguments. Raises like :meth:`tls`."""
        return {"bootstrap_servers": self.bootstrap_servers, **self.security()}

    def librdkafka(self) -> dict[str, Any]:
        """The same for a client of confluent-kafka, as its configuration. Raises like :meth:`tls`."""
        configuration: dict[str, Any] = {"bootstrap.servers": self.bootstrap_servers, "log_level": 2}
        if self.tls() is None:
            return configuration
        configuration |= {"security.protocol": "ssl", "ssl.ca.location": str(self.tls_ca_file)}
        if self.tls_cert_file is not None:
            configuration["ssl.certificate.location"] = str(self.tls_cert_file)
            configuration["ssl.key.location"] = str(self.tls_key_file)
        if self.sasl_username is not None and self.sasl_password is not None:
            configuration["security.protocol"] = "sasl_ssl"
            configuration["sasl.mechanism"] = self.sasl_mechanism
            configuration["sasl.username"] = self.sasl_username
            configuration["sasl.password"] = self.sasl_password.get_secret_value()
        return configuration


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
