"""A real API server takes the manifests: its validation, its admission and its rights, not our reading of them.

"make k8s-apply" builds kube-apiserver and etcd and runs this.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.k8s.cluster import BINARIES, Cluster, running
from tests.k8s.rendered import COMMANDS, Overlay, Resource
from tests.k8s.test_schemas import WRONG_FIELDS

pytestmark = pytest.mark.long
APPLY = ("apply", "--server-side")
CHECK = ("--dry-run=server", "--validate=strict")
"""What "make k8s-apply-check" adds."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not (BINARIES / "kube-apiserver").exists():
        pytest.skip("NOTHING WAS APPLIED: there is no kube-apiserver; 'make k8s-apply' builds it")
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def applied(cluster: Cluster, overlay: Overlay) -> Overlay:
    """An overlay that was checked and applied as the documentation says."""
    made = cluster.kubectl("create", "namespace", overlay.namespace)
    assert made.returncode == 0, made.stderr
    checked = cluster.kubectl(*APPLY, *CHECK, "--kustomize", f"k8s/overlays/{overlay.name}")
    assert (checked.returncode, checked.stderr) == (0, "")
    done = cluster.kubectl(*APPLY, "--kustomize", f"k8s/overlays/{overlay.name}")
    assert (done.returncode, done.stderr) == (0, ""), "every object is taken, and no warning is given"
    return overlay


def test_every_resource_is_taken_and_holds_what_was_sent(cluster: Cluster, applied: Overlay) -> None:
    stored = cluster.stored(applied.resources)

    assert set(stored) == {(one["kind"], one["metadata"]["name"]) for one in applied.resources}
    lost = {
        f"{one['kind']} {one['metadata']['name']}": list(missing(one, stored[one["kind"], one["metadata"]["name"]]))
        for one in applied.resources
    }
    assert {name: paths for name, paths in lost.items() if paths} == {}


def missing(sent: Any, stored: Any, path: str = "") -> Iterator[str]:
    """What was sent and is not there, or otherwise; what the server adds is its business."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        for name, value in sent.items():
            yield from missing(value, stored.get(name), f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for number, value in enumerate(sent):
            yield from missing(value, stored[number], f"{path}[{number}]")
    elif sent != stored:
        yield f"{path}: {sent!r} became {stored!r}"


def test_applying_again_changes_nothing(cluster: Cluster, applied: Overlay) -> None:
    def versions() -> dict[tuple[str, str], str]:
        return {name: one["metadata"]["resourceVersion"] for name, one in cluster.stored(applied.resources).items()}

    before = versions()
    done = cluster.kubectl(*APPLY, "--kustomize", f"k8s/overlays/{applied.name}")

    assert done.returncode == 0, done.stderr
    assert versions() == before


def test_the_check_before_applying_changes_nothing(cluster: Cluster, applied: Overlay) -> None:
    before = cluster.stored(applied.resources)
    done = cluster.kubectl(*APPLY, *CHECK, "--kustomize", f"k8s/overlays/{applied.name}")

    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.stored(applied.resources) == before


@pytest.mark.parametrize(("kind", "path", "value"), WRONG_FIELDS)
def test_a_wrong_field_is_refused(
    cluster: Cluster, applied: Overlay, kind: str, path: tuple[str, ...], value: Any
) -> None:
    resource = copy.deepcopy(next(iter(applied.of(kind).values())))
    place = resource
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    done = cluster.kubectl(*APPLY, "--dry-run=server", "--filename=-", objects=[resource])

    assert done.returncode != 0
    assert path[-1] in done.stderr


def pods(overlay: Overlay) -> Iterator[Resource]:
    """A pod of every workload, as its controller makes it."""
    for name, workload in overlay.workloads.items():
        pod = copy.deepcopy(overlay.pod(name))
        pod["metadata"]["generateName"] = f"{name}-"
        for claim in workload["spec"].get("volumeClaimTemplates", ()):
            volume = claim["metadata"]["name"]
            pod["spec"]["volumes"].append(
                {"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{name}-0"}}
            )
        yield {"apiVersion": "v1", "kind": "Pod", **pod}


def test_pod_security_admits_the_pods_of_every_workload(cluster: Cluster, applied: Overlay) -> None:
    for pod in pods(applied):
        answer = cluster.ask_for_pod(applied.namespace, pod)

        assert answer.status_code == 201, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]
        assert not any(volume["name"].startswith("kube-api-access") for volume in answer.json()["spec"]["volumes"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec, _: spec["securityContext"].update(runAsUser=0), "runAsUser=0"),
        (lambda spec, _: spec["securityContext"].update(runAsNonRoot=False), "runAsNonRoot"),
        (lambda spec, _: spec["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda spec, _: spec.update(hostNetwork=True), "host namespaces"),
        (lambda spec, _: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "hostPath"),
        (lambda _, container: container["securityContext"].update(allowPrivilegeEscalation=True), "Escalation"),
        (lambda _, container: container["securityContext"].pop("capabilities"), "unrestricted capabilities"),
    ],
)
def test_pod_security_refuses_a_pod_that_may_do_more(
    cluster: Cluster, applied: Overlay, change: Callable[[Resource, Resource], object], said: str
) -> None:
    for pod in pods(applied):
        change(pod["spec"], pod["spec"]["containers"][0])
        answer = cluster.ask_for_pod(applied.namespace, pod)

        assert answer.status_code == 403, answer.text
        assert 'violates PodSecurity "restricted:' in answer.json()["message"]
        assert said in answer.json()["message"]


@pytest.mark.parametrize("name", COMMANDS)
def test_operators_make_a_pod_for_their_commands(cluster: Cluster, applied: Overlay, name: str) -> None:
    words = ("create", "job", "now", f"--from=cronjob/{name}", "--namespace", applied.namespace)
    done = cluster.kubectl(*words, "--dry-run=server", "--output=json")

    assert (done.returncode, done.stderr) == (0, "")
    template = json.loads(done.stdout)["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == applied.container(name)["image"]
    assert template["metadata"]["labels"]["job-name"] == "now", "what the documentation waits for"


def test_the_account_of_the_pods_may_do_nothing(cluster: Cluster, applied: Overlay) -> None:
    assert {pod["spec"]["serviceAccountName"] for pod in pods(applied)} == {"norce-pipeline"}

    for account in applied.of("ServiceAccount"):
        user = f"system:serviceaccount:{applied.namespace}:{account}"
        for verb, what in (
            ("get", "secrets"),
            ("list", "pods"),
            ("create", "pods"),
            ("patch", "deployments"),
            ("*", "*"),
        ):
            asked = ("auth", "can-i", verb, what, "--namespace", applied.namespace)
            assert cluster.kubectl(*asked).stdout == "yes\n"
            assert cluster.kubectl(*asked, "--as", user).stdout == "no\n", f"{verb} {what}"


def test_the_next_release_is_applied_over_the_last(cluster: Cluster, applied: Overlay) -> None:
    """As the documentation has it: the Job is deleted first, for nothing else is in the way."""
    release = copy.deepcopy(applied.resources)
    for resource in release:
        for container in containers(resource):
            container["image"] = container["image"].rpartition(":")[0] + ":99.0.0"
    refused = cluster.kubectl(*APPLY, "--dry-run=server", "--filename=-", objects=release)
    deleted = cluster.kubectl("delete", "job/topics", "--namespace", applied.namespace)
    taken = cluster.kubectl(*APPLY, "--filename=-", objects=release)

    assert re.findall(r'(\S+ "\S+") is invalid', refused.stderr) == ['Job "topics"'], refused.stderr
    assert "field is immutable" in refused.stderr
    assert deleted.returncode == 0, deleted.stderr
    assert (taken.returncode, taken.stderr) == (0, "")
    assert {one["image"] for resource in cluster.stored(release).values() for one in containers(resource)} == {
        "registry.example.com/norce-pipeline:99.0.0"
    }


def containers(resource: Resource) -> list[Resource]:
    spec = resource.get("spec", {})
    spec = spec.get("jobTemplate", {"spec": spec})["spec"]
    found: list[Resource] = spec.get("template", {}).get("spec", {}).get("containers", [])
    return found
