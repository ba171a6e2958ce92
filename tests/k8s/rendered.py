"""The manifests as an API server would get them, and what is asked of them again and again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    ConsoleSettings,
    DriftSettings,
    KafkaSettings,
    LogSettings,
    LookupSettings,
    PrivacySettings,
    ReconcileSettings,
    SchemaRegistrySettings,
    SettingsGroup,
    WebhookSettings,
    WorkerSettings,
)

ROOT = Path(__file__).parents[2]
OVERLAYS = ("playground", "stage", "prod")
Resource = dict[str, Any]

SHARED = (KafkaSettings, LogSettings, SchemaRegistrySettings)
SETTINGS: Mapping[str, type[SettingsGroup]] = {
    "webhook": WebhookSettings,
    "worker": WorkerSettings,
    "sink-connect": ConnectSettings,
    "sink-checkout": CheckoutSettings,
    "drift": DriftSettings,
    "console": ConsoleSettings,
    "privacy": PrivacySettings,
    "lookup": LookupSettings,
}
"""The group of settings that each process has for itself."""
JOBS: Mapping[str, type[SettingsGroup]] = {"reconcile": ReconcileSettings}
"""... and each of those that come to an end."""
COMMANDS = ("audit", "dead-letters", "replay", "quarantine", "persons", "rebuild")
"""Where operators give commands: pods that wait, of Jobs that are made by hand."""
STATEFUL = tuple(name for name in SETTINGS if name not in ("webhook", "console"))


@cache
def _rendered(overlay: str) -> str:
    kubectl = Path(sys.executable).with_name("kubectl")
    command: list[str | Path] = [kubectl, "kustomize", ROOT / "k8s" / "overlays" / overlay]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Overlay:
    """All resources of one environment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resources: list[Resource] = list(yaml.safe_load_all(_rendered(name)))
        self.namespace = f"norce-{name}"

    def of(self, kind: str) -> dict[str, Resource]:
        """The resources of a kind by name."""
        return {one["metadata"]["name"]: one for one in self.resources if one["kind"] == kind}

    def one(self, kind: str, name: str) -> Resource:
        return self.of(kind)[name]

    @property
    def workloads(self) -> dict[str, Resource]:
        """Everything that starts pods."""
        return {**self.of("Deployment"), **self.of("StatefulSet"), **self.of("Job"), **self.of("CronJob")}

    def pod(self, name: str) -> Resource:
        """The pod template of a workload."""
        spec = self.workloads[name]["spec"]
        template: Resource = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
        return template

    def container(self, name: str) -> Resource:
        (container,) = self.pod(name)["spec"]["containers"]
        return dict(container)

    def environment(self, name: str) -> dict[str, str]:
        """A container's variables, without those from files; of fields of the pod the field's path."""
        container = self.container(name)
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in container.get("env", ()):
            found[variable["name"]] = variable.get("value") or variable["valueFrom"]["fieldRef"]["fieldPath"]
        return found

    def secrets_of(self, name: str) -> dict[str, str]:
        """The Secrets that a workload mounts, with the folder each appears in."""
        spec, container = self.pod(name)["spec"], self.container(name)
        folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        found: dict[str, str] = {}
        for volume in spec["volumes"]:
            names = [source["secret"]["name"] for source in volume.get("projected", {}).get("sources", ())]
            names += [volume["secret"]["secretName"]] if "secret" in volume else []
            found |= dict.fromkeys(names, folders[volume["name"]])
        return found

    def external_keys(self, secret: str) -> list[str]:
        """The keys that External Secrets puts into a Secret."""
        return [item["secretKey"] for item in self.one("ExternalSecret", secret)["spec"]["data"]]


def selects(selector: Resource, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(
        (labels.get(rule["key"]) in rule["values"]) == (rule["operator"] == "In")
        for rule in selector.get("matchExpressions", ())
    )


def probes(container: Resource) -> Iterator[Resource]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield container[name]
