"""Topics and users as resources of Strimzi, the Kafka operator of Kubernetes, made from the same catalogue as all else.

Written for the API ``kafka.strimzi.io/v1``, which Strimzi serves from 0.49 on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from pipeline.access import PREFIX, Access
from pipeline.settings import KafkaSettings
from pipeline.topics import TopicSpec

API = "kafka.strimzi.io/v1"


def topic_resources(kafka: KafkaSettings, specs: Iterable[TopicSpec], cluster: str) -> list[dict[str, Any]]:
    """One KafkaTopic for each topic."""
    return [_resource("KafkaTopic", spec.name, cluster, _topic(kafka, spec)) for spec in specs]


def user_resources(accesses: Iterable[Access], cluster: str, *, passwords: bool = False) -> list[dict[str, Any]]:
    """One KafkaUser for each user, with the rights it needs and no others, and a certificate or a password."""
    proof = {"authentication": {"type": "scram-sha-512" if passwords else "tls"}}
    return [_resource("KafkaUser", f"{PREFIX}-{access.user}", cluster, proof | _user(access)) for access in accesses]


def dump(resources: Iterable[dict[str, Any]]) -> str:
    """The resources as YAML documents."""
    return yaml.safe_dump_all(resources, sort_keys=False, width=120)


def _resource(kind: str, name: str, cluster: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"strimzi.io/cluster": cluster}}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _topic(kafka: KafkaSettings, spec: TopicSpec) -> dict[str, Any]:
    return {
        "partitions": kafka.partitions,
        "replicas": kafka.replication_factor,
        "config": spec.configuration(kafka),
    }


def _user(access: Access) -> dict[str, Any]:
    rules = [_rule("topic", PREFIX, "prefix", "Describe")]
    rules += [_rule("topic", name, "literal", "Read") for name in sorted(access.reads)]
    rules += [_rule("topic", name, "literal", "Write") for name in sorted(access.writes)]
    if access.group is not None:
        rules.append(_rule("group", access.group, "literal", "Read"))
    if access.creates:
        rules += [_rule("topic", PREFIX, "prefix", operation) for operation in ("Create", "DescribeConfigs")]
    rules += [_rule("topic", name, "literal", each) for name in sorted(access.remakes) for each in ("Create", "Delete")]
    if access.watches:
        rules.append(_rule("group", PREFIX, "prefix", "Describe"))
    return {"authorization": {"type": "simple", "acls": rules}}


def _rule(kind: str, name: str, pattern: str, operation: str) -> dict[str, Any]:
    return {"resource": {"type": kind, "name": name, "patternType": pattern}, "operations": [operation]}
