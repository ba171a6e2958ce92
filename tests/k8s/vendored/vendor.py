"""Makes the JSON Schemas of this folder from the projects' own releases; see the README beside it.

python vendor.py CRD_FILE... reads CustomResourceDefinitions as YAML; python vendor.py --strimzi LIB_FOLDER asks the
classes of Strimzi's API, which publishes no definitions in a package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
STRIMZI = {"KafkaTopic": "topic.KafkaTopicSpec", "KafkaUser": "user.KafkaUserSpec"}
DROPPED = {"description", "default", "format", "nullable", "status"}


def of_definition(crd: Any) -> None:
    """Write the schema of the version of a CustomResourceDefinition that is stored."""
    kind = crd["spec"]["names"]["kind"]
    (version,) = (version for version in crd["spec"]["versions"] if version["storage"])
    schema = strict(version["schema"]["openAPIV3Schema"])
    write(kind, f"{crd['spec']['group']}/{version['name']}", schema["properties"]["spec"])


def strict(schema: Any) -> Any:
    """As the API server takes it with strict field validation: fields that are not named are refused. No texts."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    kept: dict[str, Any] = {}
    for name, part in schema.items():
        if name == "properties":
            kept[name] = {field: strict(one) for field, one in part.items()}
        elif name == "pattern" and part.startswith("^(?i)"):
            kept[name] = "(?i)^" + part.removeprefix("^(?i)")  # Go takes flags anywhere, Python at the start only
        elif name not in DROPPED and not name.startswith("x-kubernetes"):
            kept[name] = strict(part)
    if "properties" in kept and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    return kept


def of_strimzi(lib: Path) -> None:
    """Write the schemas of Strimzi's topics and users."""
    for kind, name in STRIMZI.items():
        command: list[str | Path] = [
            "java",
            "-cp",
            f"{lib}/*",
            HERE / "StrimziSchema.java",
            f"io.strimzi.api.kafka.model.{name}",
        ]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        write(kind, "kafka.strimzi.io/v1", json.loads(found))


def write(kind: str, api: str, spec: Any) -> None:
    """One file for each kind: its API version, name and spec."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": api},
            "kind": {"const": kind},
            "metadata": {"type": "object", "required": ["name"]},
            "spec": spec,
        },
    }
    (HERE / f"{kind}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--strimzi":
        of_strimzi(Path(sys.argv[2]))
    else:
        for path in sys.argv[1:]:
            of_definition(yaml.safe_load(Path(path).read_text()))
