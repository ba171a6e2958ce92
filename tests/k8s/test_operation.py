"""Scaling, disruption, placement: what happens to pods without anybody's doing."""

from __future__ import annotations

import promql_parser
import pytest

from pipeline.access import accesses
from pipeline.settings import KafkaSettings, WorkerSettings
from pipeline.settings_report import all_topics
from pipeline.strimzi import dump, topic_resources, user_resources
from tests.k8s.rendered import ROOT, SETTINGS, Overlay, selects
from tests.k8s.test_watching import SERIES, parts


@pytest.fixture
def kafka() -> KafkaSettings:
    return KafkaSettings.model_validate({KafkaSettings.variable("bootstrap_servers"): "unused:9092"})


def test_there_are_never_more_workers_than_partitions(overlay: Overlay) -> None:
    partitions = int(overlay.environment("worker")["NORCE_KAFKA_PARTITIONS"])

    assert overlay.one("ScaledObject", "worker")["spec"]["maxReplicaCount"] == partitions
    assert {topic["spec"]["partitions"] for topic in overlay.of("KafkaTopic").values()} == {partitions}


def test_workers_are_scaled_by_the_lag_of_their_own_group(overlay: Overlay) -> None:
    (trigger,) = overlay.one("ScaledObject", "worker")["spec"]["triggers"]

    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["consumerGroup"] == WorkerSettings.model_fields["group"].default
    assert trigger["metadata"]["bootstrapServers"] == overlay.environment("worker")["KAFKA_BOOTSTRAP_SERVERS"]
    assert "topic" not in trigger["metadata"], "all topics of the group"
    authentication = overlay.one("TriggerAuthentication", trigger["authenticationRef"]["name"])["spec"]
    assert {item["name"] for item in authentication["secretTargetRef"]} == {"norce-keda", "kafka-cluster-ca-cert"}
    assert "norce-keda" in overlay.of("KafkaUser")


def test_the_connector_is_scaled_by_its_own_requests_and_by_cpu(overlay: Overlay) -> None:
    triggers = {one["type"]: one["metadata"] for one in overlay.one("ScaledObject", "webhook")["spec"]["triggers"]}
    asked = parts(promql_parser.parse(triggers["prometheus"]["query"]))
    (selector,) = [node for node in asked if isinstance(node, promql_parser.VectorSelector)]

    assert set(triggers) == {"cpu", "prometheus"}
    assert selector.name in SERIES
    assert [(one.name, one.value) for one in selector.matchers.matchers] == [("namespace", overlay.namespace)]


def test_the_autoscaler_and_nobody_else_sets_the_number_of_pods(overlay: Overlay) -> None:
    for name, scaled in overlay.of("ScaledObject").items():
        target = scaled["spec"]["scaleTargetRef"]
        workload = overlay.one(target.get("kind", "Deployment"), target["name"])
        assert "replicas" not in workload["spec"], name
        assert scaled["spec"]["minReplicaCount"] >= 1, name
    assert set(overlay.of("ScaledObject")) == {"webhook", "worker"}


@pytest.mark.parametrize("name", ["sink-connect", "sink-checkout", "lookup"])
def test_what_calls_norce_is_one_because_its_rate_is_per_process(overlay: Overlay, name: str) -> None:
    assert overlay.workloads[name]["spec"]["replicas"] == 1


def test_the_connector_survives_the_loss_of_a_zone_in_production(prod: Overlay) -> None:
    zone, _ = prod.pod("webhook")["spec"]["topologySpreadConstraints"]

    assert zone["topologyKey"] == "topology.kubernetes.io/zone"
    assert zone["whenUnsatisfiable"] == "DoNotSchedule"
    assert prod.one("ScaledObject", "webhook")["spec"]["minReplicaCount"] >= 3


@pytest.mark.parametrize("name", SETTINGS)
def test_every_process_has_a_disruption_budget_a_service_and_spread(overlay: Overlay, name: str) -> None:
    labels = overlay.pod(name)["metadata"]["labels"]
    budget, service = overlay.one("PodDisruptionBudget", name), overlay.one("Service", name)

    assert budget["spec"]["maxUnavailable"] == 1
    assert selects(budget["spec"]["selector"], labels)
    assert selects({"matchLabels": service["spec"]["selector"]}, labels)
    for spread in overlay.pod(name)["spec"]["topologySpreadConstraints"]:
        assert selects(spread["labelSelector"], labels)
        assert set(spread["matchLabelKeys"]) <= set(labels)


def test_every_container_asks_for_what_it_needs(overlay: Overlay) -> None:
    for name in overlay.workloads:
        resources = overlay.container(name)["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), name
        assert "memory" in resources["limits"], name


def test_the_monitor_finds_every_service(overlay: Overlay) -> None:
    monitor = overlay.one("ServiceMonitor", "norce-pipeline")["spec"]

    for name in SETTINGS:
        service = overlay.one("Service", name)
        assert selects(monitor["selector"], service["metadata"]["labels"])
        assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_topics_are_those_of_the_catalogue(kafka: KafkaSettings, overlay: Overlay) -> None:
    specs = {spec.name: spec for spec in all_topics()}
    written = overlay.of("KafkaTopic")

    assert set(written) == set(specs)
    assert (ROOT / "k8s/kafka/topics.yaml").read_text() == dump(topic_resources(kafka, specs.values(), "kafka")), (
        "'make k8s' was forgotten"
    )


def test_users_are_those_of_the_code() -> None:
    assert (ROOT / "k8s/kafka/users.yaml").read_text() == dump(user_resources(accesses(), "kafka")), (
        "'make k8s' was forgotten"
    )


def test_every_pod_has_a_user_of_its_own_at_kafka(overlay: Overlay) -> None:
    assert {f"norce-{name}" for name in overlay.workloads} | {"norce-keda"} == set(overlay.of("KafkaUser"))


def test_rights_are_about_topics_that_exist() -> None:
    names = {spec.name for spec in all_topics()}

    for access in accesses():
        assert access.reads | access.writes <= names, access.user


def test_every_topic_is_written_by_somebody() -> None:
    written = set().union(*(access.writes for access in accesses()))

    assert {spec.name for spec in all_topics()} - written == set()
