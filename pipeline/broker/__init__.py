"""Brokers for local runs and tests: Apache Kafka as processes of this machine, or the in-memory one of librdkafka."""

from pipeline.broker.choice import Broker, Choice, ExternalBroker, discover, open_broker
from pipeline.broker.cluster import KafkaCluster
from pipeline.broker.errors import (
    BrokerError,
    BrokerUnavailable,
    FetchFailed,
    JavaMissing,
    JavaTooOld,
    KafkaNotInstallable,
    MavenMissing,
)
from pipeline.broker.memory import InMemoryCluster

__all__ = [
    "Broker",
    "BrokerError",
    "BrokerUnavailable",
    "Choice",
    "ExternalBroker",
    "FetchFailed",
    "InMemoryCluster",
    "JavaMissing",
    "JavaTooOld",
    "KafkaCluster",
    "KafkaNotInstallable",
    "MavenMissing",
    "discover",
    "open_broker",
]
