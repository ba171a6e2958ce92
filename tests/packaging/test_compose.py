"""docker-compose.yml: no container engine is needed to see that its parts fit each other and the program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from connectors.simulator import applications, checkout_channels
from pipeline import cli
from pipeline.settings import (
    GROUPS,
    CheckoutSettings,
    ConnectSettings,
    ConsoleSettings,
    DriftSettings,
    KafkaSettings,
    LogSettings,
    LookupSettings,
    PrivacySettings,
    ReconcileSettings,
    SettingsGroup,
    SimulatorSettings,
    TracingSettings,
    WebhookSettings,
    WorkerSettings,
    load,
)

# What each service's process reads, as pipeline.cli has it.
GROUPS_OF: dict[str, tuple[type[SettingsGroup], ...]] = {
    "topics": (KafkaSettings,),
    "webhook": (KafkaSettings, WebhookSettings, LogSettings),
    "worker": (KafkaSettings, WorkerSettings, LogSettings),
    "sink-connect": (KafkaSettings, ConnectSettings, LogSettings),
    "sink-checkout": (KafkaSettings, CheckoutSettings, LogSettings),
    "drift": (KafkaSettings, DriftSettings, LogSettings),
    "privacy": (KafkaSettings, PrivacySettings, LogSettings),
    "lookup": (KafkaSettings, LookupSettings, LogSettings),
    "console": (KafkaSettings, ConsoleSettings, LogSettings),
    "simulator": (SimulatorSettings, LogSettings),
    "reconcile": (KafkaSettings, ReconcileSettings, LogSettings),
}

BROKERS = ("kafka", "kafka-2", "kafka-3")
WATCHERS = ("prometheus", "grafana")
DASHBOARDS = "k8s/grafana/dashboards"


@pytest.fixture(scope="module")
def compose(repository: Path) -> Any:
    return filled_in(repository, {})


def filled_in(repository: Path, variables: Mapping[str, str]) -> Any:
    """The file with its variables filled in as Compose does it, or their defaults."""
    text = (repository / "docker-compose.yml").read_text()
    return yaml.safe_load(re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), text))


@pytest.fixture(params=GROUPS_OF)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(compose: Any, name: str) -> Any:
    return compose["services"][name]


def test_the_file_has_the_form_of_the_compose_specification(repository: Path) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([check, "--builtin-schema=vendor.compose-spec", repository / "docker-compose.yml"], check=True)


def test_every_process_of_the_pipeline_is_a_service(compose: Any) -> None:
    assert set(compose["services"]) == {*BROKERS, *WATCHERS, "jaeger", *GROUPS_OF}


def test_every_command_exists(service: Any) -> None:
    answer = CliRunner().invoke(cli.app, [*service["command"], "--help"])

    assert answer.exit_code == 0
    assert "Usage:" in answer.output


def test_every_norce_variable_is_a_setting(service: Any) -> None:
    known = {group.variable(field) for group in GROUPS for field in group.model_fields}

    assert {variable for variable in service["environment"] if variable.startswith("NORCE_")} <= known


def test_every_process_has_the_settings_it_needs(name: str, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)

    groups = GROUPS_OF[name]
    assert [type(group) for group in load(*groups)] == list(groups)


def test_every_long_running_process_is_asked_for_its_health_on_its_own_port(name: str, service: Any) -> None:
    if name in {"topics", "reconcile"}:  # both end by themselves
        assert service["healthcheck"] == {"disable": True}
        return
    group = next(group for group in GROUPS_OF[name] if "port" in group.model_fields)

    assert f":{group.model_fields['port'].default}/" in service["environment"]["HEALTH_URL"]


def test_every_process_waits_for_what_it_needs(compose: Any) -> None:
    services = compose["services"]
    waits = {
        name: {other: how["condition"] for other, how in services[name]["depends_on"].items()} for name in GROUPS_OF
    }
    after_topics = {"topics": "service_completed_successfully"}

    assert waits == {
        "topics": dict.fromkeys(BROKERS, "service_healthy"),
        "webhook": after_topics,
        "worker": after_topics,
        "sink-connect": after_topics,
        "sink-checkout": after_topics,
        "drift": after_topics,
        "privacy": after_topics,
        "lookup": after_topics,
        "console": after_topics,
        "simulator": {"webhook": "service_healthy"},
        "reconcile": after_topics,
    }


def test_only_brokers_of_a_profile_may_be_missing(compose: Any) -> None:
    """Compose refuses a file whose services wait for what no profile starts, unless it is not required."""
    waited = compose["services"]["topics"]["depends_on"]

    assert {name for name, how in waited.items() if how.get("required", True)} == {"kafka"}
    assert {name for name in BROKERS if "profiles" in compose["services"][name]} == {"kafka-2", "kafka-3"}


def test_the_broker_is_the_pinned_one_and_creates_no_topics_by_itself(compose: Any) -> None:
    kafka = compose["services"]["kafka"]

    assert kafka["image"] == "apache/kafka:4.1.1"
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert "healthcheck" in kafka


def test_the_simulator_and_the_pipeline_know_each_other(compose: Any) -> None:
    environment = {name: compose["services"][name]["environment"] for name in GROUPS_OF}
    secret = environment["simulator"]["NORCE_SIMULATOR_WEBHOOK_SECRET"]

    assert secret in environment["webhook"]["NORCE_WEBHOOK_SECRETS"].split(",")
    assert json.loads(environment["sink-checkout"]["NORCE_CHECKOUT_CHANNELS"]) == checkout_channels()
    assert json.loads(environment["lookup"]["NORCE_LOOKUP_APPLICATIONS"]) == applications()


def test_processes_run_without_rights_they_do_not_need(service: Any) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(
    "name", ["worker", "sink-connect", "sink-checkout", "lookup", "drift", "privacy"], indirect=True
)
def test_state_is_kept_in_a_volume_of_its_own(compose: Any, service: Any, name: str) -> None:
    assert service["volumes"] == [f"{name}:/var/lib/norce-pipeline/data"]
    assert name in compose["volumes"]


def test_three_brokers_are_one_cluster_that_can_lose_one(repository: Path) -> None:
    lines = (repository / "three-brokers.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    services = filled_in(repository, variables)["services"]
    settings = [services[name]["environment"] for name in BROKERS]

    assert [services[name].get("profiles") for name in BROKERS] == [
        None,
        [variables["COMPOSE_PROFILES"]],
        [variables["COMPOSE_PROFILES"]],
    ]
    voters = ",".join(f"{one['KAFKA_NODE_ID']}@{name}:9093" for name, one in zip(BROKERS, settings, strict=True))
    assert {one["KAFKA_CONTROLLER_QUORUM_VOTERS"] for one in settings} == {voters}
    assert {one["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] for one in settings} == {"3"}
    worker = services["worker"]["environment"]
    assert worker["KAFKA_BOOTSTRAP_SERVERS"] == ",".join(f"{name}:9092" for name in BROKERS)
    assert (worker["NORCE_KAFKA_REPLICATION_FACTOR"], worker["NORCE_KAFKA_MIN_INSYNC_REPLICAS"]) == ("3", "2")
    ports = [port for name in BROKERS for port in services[name]["ports"]]
    assert len(set(ports)) == 3


@pytest.mark.parametrize(("variables", "traces"), [({}, False), ({"OTLP_ENDPOINT": "http://jaeger:4318"}, True)])
@pytest.mark.parametrize("name", ["webhook", "worker", "sink-connect", "sink-checkout", "lookup"])
def test_traces_go_to_jaeger_if_that_is_asked_for(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str, variables: Mapping[str, str], traces: bool
) -> None:
    services = filled_in(repository, variables)["services"]
    for variable, value in services[name]["environment"].items():
        monkeypatch.setenv(variable, value)

    assert TracingSettings().on is traces
    assert services["jaeger"]["profiles"] == ["tracing"]


def test_prometheus_asks_every_process_on_its_port(repository: Path) -> None:
    configuration = yaml.safe_load((repository / "k8s/prometheus/prometheus.yml").read_text())
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in configuration["scrape_configs"]}

    processes: dict[str, type[SettingsGroup]] = {
        "webhook": WebhookSettings,
        "worker": WorkerSettings,
        "sink-connect": ConnectSettings,
        "sink-checkout": CheckoutSettings,
        "drift": DriftSettings,
        "privacy": PrivacySettings,
        "lookup": LookupSettings,
        "console": ConsoleSettings,
    }
    assert asked == {name: [f"{name}:{group.model_fields['port'].default}"] for name, group in processes.items()}


def inside(service: Any, path: str, repository: Path) -> Path:
    """What a path in a container is in the repository."""
    for volume in service["volumes"]:
        source, target = volume.split(":")[:2]
        if source.startswith("./") and path.startswith(target):
            return Path(repository, source, path.removeprefix(target).lstrip("/"))
    raise AssertionError(f"{path} is not mounted")


def test_grafana_finds_our_dashboards_and_the_prometheus_beside_it(repository: Path, compose: Any) -> None:
    grafana = compose["services"]["grafana"]
    (source,) = yaml.safe_load(
        inside(grafana, "/etc/grafana/provisioning/datasources/prometheus.yaml", repository).read_text()
    )["datasources"]
    (provider,) = yaml.safe_load(
        inside(grafana, "/etc/grafana/provisioning/dashboards/norce.yaml", repository).read_text()
    )["providers"]
    shown = inside(grafana, provider["options"]["path"], repository)
    home = inside(grafana, grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], repository)

    assert re.fullmatch(r"http://(.*):9090", source["url"])[1] in compose["services"]  # type: ignore[index]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert {path.name for path in shown.iterdir()} == {path.name for path in (repository / DASHBOARDS).iterdir()}
    assert home.parent == shown
    assert home.is_file()
    for path in shown.iterdir():
        queried = {
            variable["type"]: variable["query"] for variable in json.loads(path.read_text())["templating"]["list"]
        }
        assert queried["datasource"] == source["type"]


def test_prometheus_reads_the_alert_rules_that_lie_beside_its_configuration(repository: Path, compose: Any) -> None:
    path = inside(compose["services"]["prometheus"], "/etc/prometheus/prometheus.yml", repository)
    rules = [one for pattern in yaml.safe_load(path.read_text())["rule_files"] for one in path.parent.glob(pattern)]

    assert sorted(one.name for one in rules) == ["kubernetes.rules.yml", "pipeline.rules.yml", "webhook.rules.yml"]


@pytest.mark.parametrize("name", WATCHERS)
def test_what_is_mounted_into_prometheus_and_grafana_is_there(repository: Path, compose: Any, name: str) -> None:
    mounted = [volume.split(":")[0] for volume in compose["services"][name]["volumes"] if volume.startswith("./")]

    assert mounted
    assert [folder for folder in mounted if not any((repository / folder).iterdir())] == []
