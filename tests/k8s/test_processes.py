"""The manifests start the processes as the program has them."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from connectors.simulator import checkout_channels
from pipeline import cli, processes
from pipeline.engine import SliceApp
from pipeline.health import Health, HealthServer
from pipeline.listening import listen
from pipeline.settings import KafkaSettings, SettingsGroup, WebhookSettings, load
from tests.k8s.rendered import COMMANDS, JOBS, ROOT, SETTINGS, SHARED, STATEFUL, Overlay, probes
from tests.k8s.test_rights import CALLS_NORCE
from tests.webhook.support import Connector

GROUP_OF = {**SETTINGS, **JOBS}
IN_IMAGE = "/var/lib/norce-pipeline"
KEY = base64.b64encode(bytes(32)).decode()
FILES = {
    "norce_privacy_pseudonym_keys": json.dumps({"p1": KEY}),
    "norce_privacy_encryption_keys": json.dumps({"k1": KEY}),
}


def test_every_process_is_there(overlay: Overlay) -> None:
    assert set(overlay.workloads) == {*SETTINGS, *JOBS, *COMMANDS, "topics"}
    assert set(overlay.of("StatefulSet")) == set(STATEFUL)


def test_every_command_exists(overlay: Overlay) -> None:
    for name in set(overlay.workloads) - set(COMMANDS):
        answer = CliRunner().invoke(cli.app, [*overlay.container(name)["args"], "--help"])
        assert answer.exit_code == 0, name
        assert "command" not in overlay.container(name), "the image's entry point starts the program"


def test_a_pod_for_commands_runs_when_an_operator_wants_it_and_ends_by_itself(overlay: Overlay) -> None:
    for name in COMMANDS:
        spec = overlay.one("CronJob", name)["spec"]
        word, seconds = overlay.container(name)["command"]
        assert (spec["suspend"], word) == (True, "sleep"), name
        assert int(seconds) < spec["jobTemplate"]["spec"]["activeDeadlineSeconds"], name


SPEAKS_FOR = {
    **dict.fromkeys(["dead-letters", "replay", "rebuild"], "worker"),
    "quarantine": "webhook",
    "persons": "privacy",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pod_for_commands_has_the_settings_of_the_process_they_speak_for(overlay: Overlay, name: str) -> None:
    expected = overlay.environment(SPEAKS_FOR.get(name, "topics"))
    of_the_pod = {variable for variable in expected if variable.endswith("_INSTANCE_ID")}
    secrets = {"NORCE_SECRETS_DIR"} - set(overlay.environment(name))

    assert overlay.environment(name) == {k: v for k, v in expected.items() if k not in of_the_pod | secrets}


def test_every_pod_runs_the_one_image_in_this_version(overlay: Overlay) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {overlay.container(name)["image"] for name in overlay.workloads}

    assert images == {f"registry.example.com/norce-pipeline:{version}"}


@pytest.mark.parametrize("name", GROUP_OF)
def test_a_process_gets_its_own_settings_and_those_that_all_share(overlay: Overlay, name: str) -> None:
    groups: tuple[type[SettingsGroup], ...] = (*SHARED, GROUP_OF[name])
    known = {group.variable(field) for group in groups for field in group.model_fields} | {"NORCE_SECRETS_DIR"}

    assert set(overlay.environment(name)) <= known


@pytest.mark.parametrize("name", GROUP_OF)
def test_a_process_has_all_settings_it_needs(
    overlay: Overlay, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the keys that External Secrets is told to fetch, and no others."""
    for variable, value in overlay.environment(name).items():
        monkeypatch.setenv(variable, value)
    if name in overlay.secrets_of(name):
        assert overlay.environment(name)["NORCE_SECRETS_DIR"] == overlay.secrets_of(name)[name]
        monkeypatch.setenv("NORCE_SECRETS_DIR", str(tmp_path))
        for key in overlay.external_keys(name):
            (tmp_path / key).write_text(FILES.get(key, "secret"))

    load(KafkaSettings, GROUP_OF[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_ports_are_those_the_process_listens_on(overlay: Overlay, name: str) -> None:
    default = SETTINGS[name].model_fields["port"].default
    service = overlay.one("Service", name)

    assert overlay.container(name)["ports"] == [{"name": "http", "containerPort": default}]
    assert service["spec"]["ports"] == [{"name": "http", "port": default, "targetPort": "http"}]


def test_probes_ask_paths_that_the_processes_serve(overlay: Overlay, tmp_path: Path) -> None:
    with Connector("127.0.0.1:9", tmp_path) as connector:
        for probe in probes(overlay.container("webhook")):
            assert connector.get(probe["httpGet"]["path"]).status_code != 404


async def test_probes_ask_paths_that_the_health_port_serves(overlay: Overlay, tmp_path: Path) -> None:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(tmp_path), partitions=1)
    app.finalize()
    listener = listen("127.0.0.1", 0)
    server = HealthServer(Health(app, 10.0), listener)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            for name in STATEFUL:
                for probe in probes(overlay.container(name)):
                    assert (await client.get(probe["httpGet"]["path"])).status_code != 404
    finally:
        await server.stop()


@pytest.mark.parametrize("name", SETTINGS)
def test_liveness_is_progress_and_readiness_is_the_tables(overlay: Overlay, name: str) -> None:
    container = overlay.container(name)

    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_process_with_state_may_finish_what_is_under_way(overlay: Overlay, name: str, tmp_path: Path) -> None:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(tmp_path), partitions=1)

    assert overlay.pod(name)["spec"]["terminationGracePeriodSeconds"] >= (
        app.drain_seconds + processes.STOP_SECONDS + 10
    )


def test_the_connector_may_finish_what_is_under_way(overlay: Overlay) -> None:
    settings = WebhookSettings.model_fields
    sleep = overlay.container("webhook")["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest = sleep + settings["drain_timeout"].default + settings["produce_timeout"].default

    assert sleep > 0
    assert overlay.pod("webhook")["spec"]["terminationGracePeriodSeconds"] >= longest + 10


@pytest.mark.parametrize("name", STATEFUL)
def test_a_member_of_a_group_keeps_its_name_over_a_restart(overlay: Overlay, name: str) -> None:
    variable = SETTINGS[name].variable("instance_id")

    assert overlay.environment(name)[variable] == "metadata.name"
    assert overlay.workloads[name]["spec"]["serviceName"] == name


@pytest.mark.parametrize("name", STATEFUL)
def test_state_is_where_the_process_keeps_it(overlay: Overlay, name: str) -> None:
    default = SETTINGS[name].model_fields["data_dir"].default
    folders = {mount["name"]: mount["mountPath"] for mount in overlay.container(name)["volumeMounts"]}
    claims = overlay.workloads[name]["spec"].get("volumeClaimTemplates", [])

    assert folders["state"] == f"{IN_IMAGE}/{default.parts[0]}"
    assert f"WORKDIR {IN_IMAGE}\n" in (ROOT / "Dockerfile").read_text()
    if name == "privacy":
        assert claims == [], "personal data leaves the machine with the pod"
    else:
        assert [claim["metadata"]["name"] for claim in claims] == ["state"]


def test_channels_have_the_form_the_sink_wants(overlay: Overlay) -> None:
    channels = json.loads(overlay.environment("sink-checkout")["NORCE_CHECKOUT_CHANNELS"])

    assert {frozenset(channel) for channel in channels.values()} == {
        frozenset(channel) for channel in checkout_channels().values()
    }


@pytest.mark.parametrize(("name", "folder"), [("playground", ".playground"), ("stage", ".stage"), ("prod", "")])
def test_an_overlay_calls_its_own_environment_of_norce(name: str, folder: str) -> None:
    overlay = Overlay(name)
    environment: dict[str, str] = {}
    for process in CALLS_NORCE:
        environment |= overlay.environment(process)
    urls = [value for variable, value in environment.items() if variable.endswith("_URL")]

    assert {value for variable, value in environment.items() if variable.endswith("_SCOPE")} == {name}
    assert len(urls) == 8
    assert all(url.startswith(f"https://your-slug.api-se{folder}.norce.tech/") for url in urls)
    assert overlay.of("Namespace").keys() == {f"norce-{name}"}
