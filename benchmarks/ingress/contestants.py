"""The receivers: how each is started, and how many processes it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bars import FASTAPI, GO, NODE, OURS, STARLETTE, WITHOUT_KAFKA
from benchmarks.ingress.load import PATH, SECRET
from benchmarks.processes import HOST, PEER_PYTHON, ROOT, ours

PEERS = ROOT / "benchmarks" / "peers"
NODE_RECEIVER = PEERS / "node" / "receiver.mjs"
GO_RECEIVER = PEERS / "go" / "receiver"

ENVIRONMENT: Mapping[str, str] = {
    "BENCH_SECRET": SECRET,
    "NORCE_WEBHOOK_HOST": HOST,
    "NORCE_WEBHOOK_SECRETS": SECRET,
}


def command(contestant: str, port: int) -> Sequence[str | Path]:
    """The command line of one process of a receiver; its port may be in the environment instead, see ``variables``."""
    match contestant:
        case _ if contestant == OURS:
            return ours("webhook")
        case _ if contestant == WITHOUT_KAFKA:
            return [sys.executable, "-m", "benchmarks.ingress.without_kafka"]
        case _ if contestant == NODE:
            return ["node", NODE_RECEIVER, str(port)]
        case _ if contestant == GO:
            return [GO_RECEIVER, str(port)]
    module = {STARLETTE: "starlette_app", FASTAPI: "fastapi_app"}[contestant]
    options = ["--host", HOST, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    # The fastest that uvicorn has.
    return [
        PEER_PYTHON,
        "-m",
        "uvicorn",
        f"benchmarks.peers.{module}:app",
        *options,
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]


def variables(port: int) -> dict[str, str]:
    """The environment of one process."""
    return {**ENVIRONMENT, "NORCE_WEBHOOK_PORT": str(port)}


def missing(contestant: str) -> str | None:
    """Why a receiver cannot run on this machine, ``None`` if it can."""
    if contestant == NODE:
        if shutil.which("node") is None:
            return "node is not installed"
        if not (NODE_RECEIVER.parent / "node_modules").is_dir():
            return "its packages could not be installed"
    if contestant == GO and not GO_RECEIVER.exists():
        return "it could not be built: no Go, or no module proxy"
    return None


__all__ = ["PATH", "command", "missing", "variables"]
