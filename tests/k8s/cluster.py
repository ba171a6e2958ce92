"""A Kubernetes API server on this machine: kube-apiserver and etcd, as "make k8s-apply" builds them. No nodes."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from pipeline.broker.ports import free_ports
from tests.k8s.rendered import ROOT, Resource
from tests.pipeline.certificates import Authority
from tests.support.processes import Process

BINARIES = ROOT / ".cache" / "kube-apiserver"
VENDORED = ROOT / "tests" / "k8s" / "vendored"
OPERATOR = "token-of-the-operator"


class Cluster:
    """Its API, by kubectl and by HTTP, with all rights."""

    def __init__(self, url: str, authority: Path, folder: Path) -> None:
        self.http = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(authority)),
            headers={"Authorization": f"Bearer {OPERATOR}"},
            timeout=30,
        )
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        named = {"name": "it"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{**named, "cluster": {"server": url, "certificate-authority": str(authority)}}],
            "users": [{**named, "user": {"token": OPERATOR}}],
            "contexts": [{**named, "context": {"cluster": "it", "user": "it"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    def kubectl(self, *words: str | Path, objects: list[Resource] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as it stands in the documentation; ``objects`` are its standard input (``-f -``)."""
        return subprocess.run(
            [Path(sys.executable).with_name("kubectl"), "--kubeconfig", self.kubeconfig, *words],
            input=None if objects is None else json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def stored(self, objects: list[Resource]) -> dict[tuple[str, str], Resource]:
        """What the server has of these objects, by kind and name. Fails if it lacks one."""
        done = self.kubectl("get", "--output=json", "--filename=-", objects=objects)
        assert done.returncode == 0, done.stderr
        return {(one["kind"], one["metadata"]["name"]): one for one in json.loads(done.stdout)["items"]}

    def ask_for_pod(self, namespace: str, pod: Resource) -> httpx.Response:
        """What the server says to a pod as a controller makes it. Nothing is stored."""
        return self.http.post(f"/api/v1/namespaces/{namespace}/pods", params={"dryRun": "All"}, json=pod)


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A new API server with nothing but the definitions of the operators, and its end."""
    client, peer, secure = free_ports(3)
    etcd, url = f"http://127.0.0.1:{client}", f"https://127.0.0.1:{secure}"
    authority = Authority(folder)
    certificate, key = authority.issue("kube-apiserver")
    public, signing = authority.issue("service-accounts")
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{OPERATOR},operator,operator,"system:masters"\n')
    with ExitStack() as started:
        started.enter_context(_etcd(folder, etcd, f"http://127.0.0.1:{peer}"))
        server = started.enter_context(
            _program(
                "kube-apiserver",
                folder,
                {
                    "etcd-servers": etcd,
                    "bind-address": "127.0.0.1",
                    "secure-port": secure,
                    "endpoint-reconciler-type": "none",  # it would publish an address that is not loopback
                    "tls-cert-file": certificate,
                    "tls-private-key-file": key,
                    "token-auth-file": tokens,
                    "authorization-mode": "RBAC",
                    "service-account-issuer": "https://kubernetes.default.svc",
                    "service-account-key-file": public,
                    "service-account-signing-key-file": signing,
                    "service-cluster-ip-range": "10.0.0.0/24",
                },
            )
        )
        cluster = Cluster(url, authority.file, folder)
        started.enter_context(cluster.http)
        _until_ready(cluster, server)
        _install_definitions(cluster)
        yield cluster


def _program(name: str, folder: Path, flags: Mapping[str, object]) -> Process:
    words = [f"--{flag}={value}" for flag, value in flags.items()]
    return Process(*words, log=folder / f"{name}.log", program=BINARIES / name)


def _etcd(folder: Path, client: str, peer: str) -> Process:
    flags = {
        "data-dir": folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": "true",
    }
    return _program("etcd", folder, flags)


def _until_ready(cluster: Cluster, server: Process, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if cluster.http.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        waiting = server.running and time.monotonic() < end
        assert waiting, f"never ready:\n{server.output[-4000:]}"
        time.sleep(0.2)


def _install_definitions(cluster: Cluster) -> None:
    done = cluster.kubectl("create", "--filename=-", objects=definitions())
    assert done.returncode == 0, done.stderr
    done = cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert done.returncode == 0, done.stderr


def definitions() -> list[Resource]:
    """CustomResourceDefinitions of the operators, from the schemas that the offline tests use."""
    found = []
    for path in sorted(VENDORED.glob("*.json")):
        properties = json.loads(path.read_text())["properties"]
        kind = properties["kind"]["const"]
        group, version = properties["apiVersion"]["const"].split("/")
        plural = f"{kind.lower()}s"
        schema = {"type": "object", "required": ["spec"], "properties": {"spec": structural(properties["spec"])}}
        found.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                    "versions": [
                        {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
                    ],
                },
            }
        )
    return found


def structural(schema: Resource) -> Resource:
    """A JSON Schema as a definition may have it: unknown fields are not named, and alternatives are one object."""
    if "oneOf" in schema:
        return structural(_united(schema["oneOf"]))
    if schema.get("type") == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True}
    kept = {name: part for name, part in schema.items() if name != "additionalProperties"}
    if "const" in kept:
        kept |= {"type": "string", "enum": [kept.pop("const")]}
    if "items" in schema:
        kept["items"] = structural(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: structural(part) for name, part in schema["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = structural(schema["additionalProperties"])
    elif schema.get("type") == "object":
        kept["x-kubernetes-preserve-unknown-fields"] = True
    return kept


def _united(alternatives: list[Resource]) -> Resource:
    """The kinds of an object that ``type`` tells apart, as Strimzi's own definitions have them."""
    properties = {name: part for one in alternatives for name, part in one["properties"].items()}
    types = [one["properties"]["type"]["const"] for one in alternatives]
    properties["type"] = {"type": "string", "enum": types}
    return {"type": "object", "required": ["type"], "properties": properties}
