"""Manifests rendered once, by the pinned kubectl."""

import pytest

from tests.k8s.rendered import OVERLAYS, Overlay


@pytest.fixture(params=OVERLAYS, scope="module")
def overlay(request: pytest.FixtureRequest) -> Overlay:
    return Overlay(request.param)


@pytest.fixture(scope="module")
def prod() -> Overlay:
    return Overlay("prod")
