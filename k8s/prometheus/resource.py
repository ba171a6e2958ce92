"""Prints the alert rules of this folder as the resource that the Prometheus Operator reads: python resource.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


def prometheus_rule(folder: Path = FOLDER) -> dict[str, Any]:
    """The groups of all ``*.rules.yml`` as one PrometheusRule."""
    groups = [
        group for path in sorted(folder.glob("*.rules.yml")) for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "norce-pipeline"},
        "spec": {"groups": groups},
    }


if __name__ == "__main__":
    print('# Made by "make k8s" from the *.rules.yml beside it.')
    print(yaml.safe_dump(prometheus_rule(), sort_keys=False, width=120), end="")
