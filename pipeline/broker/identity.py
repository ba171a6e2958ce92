"""Which cluster a data folder belongs to."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path

from pipeline.broker.errors import BrokerUnavailable


def cluster_identity(folder: Path, nodes: int) -> str:
    """The cluster id of the folder's data, a new one for an empty folder.

    Raises:
        BrokerUnavailable: the data belongs to a cluster of another size.
    """
    file = folder / "cluster.json"
    if not file.exists():
        identity = {"id": _new_id(), "nodes": nodes}
        file.write_text(json.dumps(identity), encoding="utf-8")
    identity = json.loads(file.read_text(encoding="utf-8"))
    if identity["nodes"] != nodes:
        raise BrokerUnavailable(f"{folder} holds a cluster of {identity['nodes']} node(s), not of {nodes}")
    return str(identity["id"])


def _new_id() -> str:
    """Kafka's spelling of a UUID: 22 characters of URL-safe base64. A leading dash would read as an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
