"""The pinned versions of the peers, read from what pins them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from benchmarks.processes import ROOT

PeerVersions = Mapping[str, str]

_PYTHON = ("fastapi", "starlette", "uvicorn", "httptools", "uvloop", "aiokafka", "faust-streaming", "quixstreams")


def peer_versions() -> PeerVersions:
    """Name to version, of every peer."""
    lock = (ROOT / "requirements-peers.lock").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\\n]+)", lock, re.MULTILINE))
    found = {name: pinned[name] for name in _PYTHON}
    node = json.loads((ROOT / "benchmarks/peers/node/package-lock.json").read_text())["packages"]
    found |= {name: node[f"node_modules/{name}"]["version"] for name in ("fastify", "@platformatic/kafka")}
    modules = (ROOT / "benchmarks/peers/go/go.mod").read_text()
    found |= dict(re.findall(r"github.com/twmb/(franz-go) v(\S+)", modules))
    project = (ROOT / "benchmarks/peers/streams/pom.xml").read_text()
    found |= dict(re.findall(r"<artifactId>(kafka-streams)</artifactId>\s*<version>([^<]+)", project))
    return found
