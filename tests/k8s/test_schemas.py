"""The manifests have the form that the API servers of the named versions ask for."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import Any

import jsonschema
import pytest
from kubernetes_validate import utils as kubernetes

from tests.k8s.rendered import OVERLAYS, ROOT, Overlay

KUBERNETES = ("1.34", "1.37")
"""The oldest version that the manifests are for, and the newest that is known."""
VENDORED = ROOT / "tests" / "k8s" / "vendored"
WRONG_FIELDS = [
    ("StatefulSet", ("spec", "podManagmentPolicy"), "Parallel"),
    ("Deployment", ("spec", "template", "spec", "terminationGracePeriodSeconds"), "long"),
    ("ScaledObject", ("spec", "maxReplicas"), 3),
    ("KafkaTopic", ("spec", "partition"), 3),
    ("ExternalSecret", ("spec", "refreshInterval"), 60),
    ("ServiceMonitor", ("spec", "endpoints"), {"port": "http"}),
]
"""Mistakes that are easily made: kind, path and value."""


def check(resource: dict[str, Any], version: str) -> None:
    """Raises an error of either library if the resource does not fit its schema, strictly."""
    schema = VENDORED / f"{resource['kind']}.json"
    if schema.exists():
        jsonschema.validate(resource, json.loads(schema.read_text()), jsonschema.Draft202012Validator)
    else:
        kubernetes.validate(resource, version, strict=True)


# Read each schema once: the definitions that all of them share are a megabyte.
kubernetes.schema_contents = cache(kubernetes.schema_contents)


@pytest.mark.parametrize(("name", "version"), [*((name, KUBERNETES[-1]) for name in OVERLAYS), ("prod", KUBERNETES[0])])
def test_every_resource_fits_its_schema(name: str, version: str) -> None:
    overlay, wrong = Overlay(name), {}
    for resource in overlay.resources:
        try:
            check(resource, version)
        except (jsonschema.ValidationError, kubernetes.SchemaNotFoundError) as error:
            wrong[f"{resource['kind']} {resource['metadata']['name']}"] = f"{error.message}"
    assert wrong == {}


@pytest.mark.parametrize(("kind", "path", "value"), WRONG_FIELDS)
def test_a_wrong_field_is_found(prod: Overlay, kind: str, path: tuple[str, ...], value: Any) -> None:
    resource = copy.deepcopy(next(iter(prod.of(kind).values())))
    place = resource
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    with pytest.raises(jsonschema.ValidationError):
        check(resource, KUBERNETES[-1])


def test_the_server_that_they_are_applied_to_is_of_the_newest_version() -> None:
    """The one that "make k8s-apply" builds."""
    module = (ROOT / "tests/k8s/apiserver/go.mod").read_text()

    assert re.findall(r"k8s\.io/kubernetes v(\d+\.\d+)\.", module) == [KUBERNETES[-1]]
