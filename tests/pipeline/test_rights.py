"""Each process as a Kafka user of its own, with the rights that the Strimzi resources give it and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from pipeline import topics
from pipeline.access import accesses
from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.run.stack import PROCESSES
from pipeline.settings import KafkaSettings, SettingsError, load
from pipeline.strimzi import user_resources
from tests.pipeline.certificates import Authority
from tests.pipeline.system import System
from tests.support.processes import Process

PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Guarded:
    """A broker that knows its users by their certificates; without one, on another port, anything is allowed."""

    def __init__(self, authority: Authority, cluster: KafkaCluster, port: int) -> None:
        self.authority, self.cluster = authority, cluster
        self.address = f"127.0.0.1:{port}"

    def environment(self, user: str) -> dict[str, str]:
        """What a process needs to be a user."""
        certificate, key = self.authority.issue(f"norce-{user}")
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "NORCE_KAFKA_TLS_CA_FILE": str(self.authority.file),
            "NORCE_KAFKA_TLS_CERT_FILE": str(certificate),
            "NORCE_KAFKA_TLS_KEY_FILE": str(key),
        }

    def grant(self) -> None:
        """What Strimzi's User Operator does with the KafkaUser resources."""
        bindings = [
            _binding(user["metadata"]["name"], rule["resource"], operation)
            for user in user_resources(accesses(), "kafka")
            for rule in user["spec"]["authorization"]["acls"]
            for operation in rule["operations"]
        ]
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap_servers})
        for granted in admin.create_acls(bindings).values():
            granted.result(20)


def _binding(user: str, resource: Any, operation: str) -> AclBinding:
    return AclBinding(
        ResourceType[resource["type"].upper()],
        resource["name"],
        PATTERNS[resource["patternType"]],
        f"User:CN={user}",
        "*",
        AclOperation[operation.upper()],
        AclPermissionType.ALLOW,
    )


@pytest.fixture
async def guarded(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Guarded]:
    plain, controller, tls = free_ports(3)
    monkeypatch.setattr("pipeline.broker.cluster.free_ports", lambda count: [plain, controller])
    certificate, key = authority.issue("broker")
    store = tmp_path / "broker.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    properties = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},TLS://127.0.0.1:{tls}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL",
        "listener.name.tls.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    async with KafkaCluster(properties=properties) as cluster:
        yield Guarded(authority, cluster, tls)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_every_process_does_its_work_with_the_rights_it_is_given(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.run.stack.READY_SECONDS", 200.0)  # a process that lacks rights waits for ever
    guarded.grant()
    async with httpx.AsyncClient(timeout=10.0) as client:
        system = await System.make(guarded.cluster, tmp_path, client, {"NORCE_SIMULATOR_ORDERS": 20})
        program = Process("-m", "pipeline.cli", "topics", "create", log=tmp_path / "topics.log")
        program.environment |= {**system.stack.environment, **guarded.environment("topics")}
        assert await asyncio.to_thread(program.start().wait) == 0, program.log.read_text()
        assert "made     norce.drift" in program.log.read_text()
        try:
            for name in reversed(tuple(PROCESSES)):
                if name != "simulator":
                    system.stack.environment |= guarded.environment(name.replace(" ", "-"))
                await system.start(name)
            await system.until_done()
            assert await system.failed_checks() == []
        finally:
            await system.stack.stop()


async def test_a_user_without_rights_sees_no_topics_and_one_without_a_certificate_no_broker(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count(environment: dict[str, str]) -> int:
        with monkeypatch.context() as patched:
            for variable, value in environment.items():
                patched.setenv(variable, value)
            (kafka,) = load(KafkaSettings)
        return len(await topics.partition_counts(kafka))

    (plain,) = (KafkaSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": guarded.cluster.bootstrap_servers}),)
    one = plain.model_copy(update={"partitions": 1, "replication_factor": 1, "min_insync_replicas": 1})
    await topics.create(one, [topics.PUBLIC[0]])
    webhook = guarded.environment("webhook")

    assert await count(webhook) == 0
    guarded.grant()
    assert await count(webhook) == 1
    with pytest.raises(topics.BrokerUnreachable):
        await count({name: value for name, value in webhook.items() if "CERT" not in name and "KEY" not in name})


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CERT": "x"}, "go together"),
        ({"CERT": "x", "KEY": "x"}, "needs NORCE_KAFKA_TLS_CA_FILE"),
    ],
)
def test_settings_for_tls_that_are_not_whole_are_named(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(f"NORCE_KAFKA_TLS_{name}_FILE", value)

    with pytest.raises(SettingsError, match=named):
        load(KafkaSettings)


def test_a_certificate_that_cannot_be_read_is_named(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("NORCE_KAFKA_TLS_CA_FILE", str(tmp_path / "none"))
    (kafka,) = load(KafkaSettings)
    with pytest.raises(SettingsError, match=r"NORCE_KAFKA_TLS_CA_FILE.*none"):
        kafka.connection()

    broken = tmp_path / "broken"
    broken.write_text("no certificate")
    monkeypatch.setenv("NORCE_KAFKA_TLS_CA_FILE", str(authority.file))
    monkeypatch.setenv("NORCE_KAFKA_TLS_CERT_FILE", str(broken))
    monkeypatch.setenv("NORCE_KAFKA_TLS_KEY_FILE", str(broken))
    (kafka,) = load(KafkaSettings)
    with pytest.raises(SettingsError, match=r"NORCE_KAFKA_TLS_CERT_FILE.*broken"):
        kafka.connection()
