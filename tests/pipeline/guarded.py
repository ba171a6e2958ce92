"""A broker that lets in only those it knows, by certificate or password, and lets each do what it has the right to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from pipeline.access import accesses
from pipeline.broker import KafkaCluster
from pipeline.broker.ports import free_ports
from pipeline.settings import KafkaSettings
from pipeline.strimzi import user_resources
from tests.pipeline.certificates import Authority

Proof = Literal["certificate", "password"]

PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


class Guarded:
    """The broker. On ``cluster.bootstrap_servers``, without any proof, everything is allowed."""

    def __init__(self, authority: Authority, cluster: KafkaCluster, tls: int, sasl: int) -> None:
        self.authority, self.cluster = authority, cluster
        self.addresses: dict[Proof, str] = {"certificate": f"127.0.0.1:{tls}", "password": f"127.0.0.1:{sasl}"}
        self._admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 2})

    def environment(self, user: str, proof: Proof = "certificate") -> dict[str, str]:
        """What a process needs to be a user."""
        found = {
            "KAFKA_BOOTSTRAP_SERVERS": self.addresses[proof],
            "NORCE_KAFKA_TLS_CA_FILE": str(self.authority.file),
            "NORCE_KAFKA_REQUEST_TIMEOUT": "5",
        }
        if proof == "password":
            self.let_in(f"norce-{user}", password(user))
            return found | {"NORCE_KAFKA_SASL_USERNAME": f"norce-{user}", "NORCE_KAFKA_SASL_PASSWORD": password(user)}
        certificate, key = self.authority.issue(f"norce-{user}")
        return found | {"NORCE_KAFKA_TLS_CERT_FILE": str(certificate), "NORCE_KAFKA_TLS_KEY_FILE": str(key)}

    def settings(self, user: str, proof: Proof = "certificate") -> KafkaSettings:
        """The same for a client in this process."""
        prefix = "NORCE_KAFKA_"
        given = {
            name if name.startswith("KAFKA") else name.removeprefix(prefix).lower(): value
            for name, value in self.environment(user, proof).items()
        }
        return KafkaSettings.model_validate(given)

    def rules(self, user: str) -> list[AclBinding]:
        """The rights of a user, as Strimzi's User Operator reads them from its KafkaUser resource."""
        return [
            _binding(resource["metadata"]["name"], rule["resource"], operation)
            for resource in user_resources([access for access in accesses() if access.user == user], "kafka")
            for rule in resource["spec"]["authorization"]["acls"]
            for operation in rule["operations"]
        ]

    def grant(self, rules: Iterable[AclBinding]) -> None:
        for granted in self._admin.create_acls(list(rules)).values():
            granted.result(20)

    def grant_all(self) -> None:
        """Give every user its rights."""
        self.grant(rule for access in accesses() for rule in self.rules(access.user))

    def grant_everything(self, user: str) -> None:
        """Let one user do what all processes do."""
        self.grant(
            AclBinding(
                kind,
                "norce",
                ResourcePatternType.PREFIXED,
                f"User:{user}",
                "*",
                AclOperation.ALL,
                AclPermissionType.ALLOW,
            )
            for kind in (ResourceType.TOPIC, ResourceType.GROUP)
        )

    def withdraw(self, rules: Iterable[AclBinding]) -> None:
        filters = [
            AclBindingFilter(
                rule.restype,
                rule.name,
                rule.resource_pattern_type,
                rule.principal,
                rule.host,
                rule.operation,
                rule.permission_type,
            )
            for rule in rules
        ]
        for withdrawn in self._admin.delete_acls(filters).values():
            withdrawn.result(20)

    def let_in(self, user: str, secret: str) -> None:
        """Make a user with a password, or give it another one."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(user, info, secret.encode())
        for done in self._admin.alter_user_scram_credentials([upsertion]).values():
            done.result(20)
        # The controller has written it down; the broker knows when it has read that.
        AdminClient(
            {
                "bootstrap.servers": self.addresses["password"],
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": str(self.authority.file),
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": user,
                "sasl.password": secret,
                "reconnect.backoff.ms": 50,
                "log_level": 0,
            }
        ).list_topics(timeout=20)


def password(user: str) -> str:
    """A user's password."""
    return f"planted-password-of-{user}"


def _binding(user: str, resource: Any, operation: str) -> AclBinding:
    # Kafka writes an operation of two words with an underscore, Strimzi in camel case.
    name = "".join(f"_{letter}" if letter.isupper() and number else letter for number, letter in enumerate(operation))
    return AclBinding(
        ResourceType[resource["type"].upper()],
        resource["name"],
        PATTERNS[resource["patternType"]],
        f"User:{user}",
        "*",
        AclOperation[name.upper()],
        AclPermissionType.ALLOW,
    )


@asynccontextmanager
async def guarded_cluster(folder: Path) -> AsyncIterator[Guarded]:
    """A broker whose users have no rights yet. Certificates go into the folder."""
    authority = Authority(folder)
    plain, controller, tls, sasl = free_ports(4)
    certificate, key = authority.issue("broker")
    store = folder / "broker.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    listeners = {"PLAINTEXT": plain, "CONTROLLER": controller, "CERTIFICATES": tls, "PASSWORDS": sasl}
    properties = {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CERTIFICATES:SSL,PASSWORDS:SASL_SSL"
        ),
        "listener.name.certificates.ssl.client.auth": "required",
        "listener.name.certificates.ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
        "listener.name.passwords.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.passwords.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with patch("pipeline.broker.cluster.free_ports", lambda count: [plain, controller]):
        cluster = KafkaCluster(properties=properties)
        await cluster.start()
    try:
        yield Guarded(authority, cluster, tls, sasl)
    finally:
        await cluster.close()
