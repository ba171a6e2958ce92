"""Nothing in the cluster may do more than its work needs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.settings import GROUPS
from pipeline.settings_report import _is_secret
from tests.k8s.rendered import COMMANDS, JOBS, ROOT, SETTINGS, Overlay, selects

CALLS_NORCE = {"sink-connect", "sink-checkout", "lookup", "reconcile"}
TRACED = set(re.findall(r'read_traced\(.*"norce-([a-z-]+)"', (ROOT / "pipeline" / "cli.py").read_text()))
"""The processes that read where their traces go."""


def test_every_pod_is_restricted(overlay: Overlay) -> None:
    """What Pod Security's level "restricted" asks for, and a root file system that is read only."""
    for name in overlay.workloads:
        spec, container = overlay.pod(name)["spec"], overlay.container(name)
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        allowed = {"emptyDir", "projected", "secret", "configMap", "persistentVolumeClaim"}
        assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"]), name


def test_the_namespace_takes_no_other_pods(overlay: Overlay) -> None:
    (namespace,) = overlay.of("Namespace").values()

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_pod_can_ask_kubernetes_for_anything(overlay: Overlay) -> None:
    assert {overlay.pod(name)["spec"]["automountServiceAccountToken"] for name in overlay.workloads} == {False}
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & {one["kind"] for one in overlay.resources}


def test_no_secret_is_in_the_manifests(overlay: Overlay) -> None:
    secret = {
        group.variable(field)
        for group in GROUPS
        for field, info in group.model_fields.items()
        if _is_secret(info.annotation)
    }
    assert "NORCE_CHECKOUT_TOKEN" in secret
    assert overlay.of("Secret") == {}
    for name in overlay.workloads:
        assert not set(overlay.environment(name)) & secret


@pytest.mark.parametrize("name", [*SETTINGS, *JOBS])
def test_a_process_mounts_its_own_secrets_and_no_others(overlay: Overlay, name: str) -> None:
    own = {name} if name in overlay.of("ExternalSecret") else set()

    assert set(overlay.secrets_of(name)) == {"kafka-cluster-ca-cert", f"norce-{name}", *own}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pod_for_commands_mounts_its_own_user_and_only_who_deals_with_persons_their_keys(
    overlay: Overlay, name: str
) -> None:
    keys = {"privacy"} if name == "persons" else set()

    assert set(overlay.secrets_of(name)) == {"kafka-cluster-ca-cert", f"norce-{name}", *keys}


def test_every_mounted_secret_is_made_by_an_operator(overlay: Overlay) -> None:
    made = {*overlay.of("ExternalSecret"), *overlay.of("KafkaUser"), "kafka-cluster-ca-cert"}

    for name in overlay.workloads:
        assert set(overlay.secrets_of(name)) <= made
    for external in overlay.of("ExternalSecret").values():
        assert external["spec"]["secretStoreRef"]["name"] in overlay.of("SecretStore")


@pytest.mark.parametrize("name", ["sink-connect", "sink-checkout", "webhook", "privacy", "lookup", "reconcile"])
def test_external_secrets_are_the_settings_of_their_process(overlay: Overlay, name: str) -> None:
    group = {**SETTINGS, **JOBS}[name]
    known = {group.variable(field).lower() for field in group.model_fields}

    assert set(overlay.external_keys(name)) <= known


def policies(overlay: Overlay, name: str, direction: str) -> list[Any]:
    """The rules of one direction that apply to a workload's pods; an empty list is a closed door."""
    labels = overlay.pod(name)["metadata"]["labels"]
    return [
        rule
        for policy in overlay.of("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get(direction, ())
    ]


def test_what_is_not_named_is_denied(overlay: Overlay) -> None:
    deny = overlay.one("NetworkPolicy", "default-deny")["spec"]

    assert sorted(deny["policyTypes"]) == ["Egress", "Ingress"]
    assert not {"ingress", "egress"} & set(deny)
    for name in overlay.workloads:
        assert selects(deny["podSelector"], overlay.pod(name)["metadata"]["labels"])
    assert not selects(deny["podSelector"], {"strimzi.io/cluster": "kafka"}), "the brokers have their own policies"


def test_only_those_who_call_norce_reach_the_internet(overlay: Overlay) -> None:
    outside = {
        name
        for name in overlay.workloads
        if any("ipBlock" in peer for rule in policies(overlay, name, "egress") for peer in rule["to"])
    }

    assert outside == CALLS_NORCE


def test_everybody_reaches_names_and_brokers_and_who_traces_a_collector_and_nothing_else_inside(
    overlay: Overlay,
) -> None:
    assert {"webhook", "worker", "lookup"} < TRACED
    for name in overlay.workloads:
        ports = {
            port["port"]
            for rule in policies(overlay, name, "egress")
            if not any("ipBlock" in peer for peer in rule["to"])
            for port in rule["ports"]
        }
        assert ports == {53, 9093, *([4318] if name in TRACED else []), *(["http"] if name == "console" else [])}
    servers = overlay.environment("worker")["KAFKA_BOOTSTRAP_SERVERS"]
    assert servers.endswith(":9093")


def test_only_the_connector_is_reached_from_outside(overlay: Overlay) -> None:
    def comes_from(rule: Any) -> set[str]:
        spaces = [peer["namespaceSelector"] for peer in rule["from"] if "namespaceSelector" in peer]
        return {space["matchLabels"]["kubernetes.io/metadata.name"] for space in spaces}

    sources = {
        name: set().union(*(comes_from(rule) for rule in policies(overlay, name, "ingress")))
        for name in overlay.workloads
    }

    assert sources == {
        **{name: {"monitoring"} for name in SETTINGS},
        "webhook": {"monitoring", "ingress-nginx"},
        **{name: set() for name in ("topics", "reconcile", *COMMANDS)},
    }


def test_of_the_pipelines_own_pods_the_console_alone_asks_the_others(overlay: Overlay) -> None:
    for name in SETTINGS:
        peers = [peer for rule in policies(overlay, name, "ingress") for peer in rule["from"]]
        inside = [peer["podSelector"]["matchLabels"] for peer in peers if "namespaceSelector" not in peer]
        assert [labels["app.kubernetes.io/component"] for labels in inside] == ["console"]


def test_only_the_endpoint_and_its_description_are_public(overlay: Overlay) -> None:
    (rule,) = overlay.one("Ingress", "webhook")["spec"]["rules"]

    assert {path["path"] for path in rule["http"]["paths"]} == {"/webhooks/norce", "/openapi.json"}
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"webhook"}
    assert rule["host"] in overlay.one("Ingress", "webhook")["spec"]["tls"][0]["hosts"]
