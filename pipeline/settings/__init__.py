"""Every setting of every process, with its meaning, unit and default, in one place.

Each process reads the groups it needs, so a sink does not ask for the webhook's secret. Values come from
environment variables (prefix ``NORCE_``; the broker list also answers to ``KAFKA_BOOTSTRAP_SERVERS``, the name other
Kafka tools use, and traces to OpenTelemetry's own names) and, for anything that should not stand in an environment,
from files: a file in the folder named by ``NORCE_SECRETS_DIR`` that is called like the variable, in lower case, holds
its value.

Defaults marked *assumed* answer a question that Norce does not document; see the README.
"""

from __future__ import annotations

from pipeline.settings.base import SECRETS_DIR_VARIABLE, ProcessSettings, SettingsError, SettingsGroup, load
from pipeline.settings.console import ConsoleSettings
from pipeline.settings.drift import DriftSettings
from pipeline.settings.kafka import KafkaSettings, LogSettings, SchemaRegistrySettings
from pipeline.settings.lookup import LookupSettings
from pipeline.settings.privacy import PrivacySettings, key_bytes
from pipeline.settings.reconcile import ReconcileSettings
from pipeline.settings.simulator import SimulatorSettings
from pipeline.settings.sinks import CheckoutChannel, CheckoutSettings, ConnectSettings, SinkSettings
from pipeline.settings.tracing import TracingSettings
from pipeline.settings.webhook import WebhookSettings
from pipeline.settings.worker import WorkerSettings

GROUPS: tuple[type[SettingsGroup], ...] = (
    KafkaSettings,
    WebhookSettings,
    WorkerSettings,
    ConnectSettings,
    CheckoutSettings,
    LookupSettings,
    SimulatorSettings,
    DriftSettings,
    PrivacySettings,
    ReconcileSettings,
    ConsoleSettings,
    SchemaRegistrySettings,
    LogSettings,
    TracingSettings,
)
"""All groups, in the order in which they are shown."""

__all__ = [
    "GROUPS",
    "SECRETS_DIR_VARIABLE",
    "CheckoutChannel",
    "CheckoutSettings",
    "ConnectSettings",
    "ConsoleSettings",
    "DriftSettings",
    "KafkaSettings",
    "LogSettings",
    "LookupSettings",
    "PrivacySettings",
    "ProcessSettings",
    "ReconcileSettings",
    "SchemaRegistrySettings",
    "SettingsError",
    "SettingsGroup",
    "SimulatorSettings",
    "SinkSettings",
    "TracingSettings",
    "WebhookSettings",
    "WorkerSettings",
    "key_bytes",
    "load",
]
