"""The whole pipeline, for tests that break it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.broker import KafkaCluster
from tests.pipeline.system import System

MakeSystem = Callable[..., Awaitable[System]]


@pytest.fixture
async def make_system(fresh_kafka: KafkaCluster, tmp_path: Path) -> AsyncIterator[MakeSystem]:
    """Makes the system of a test on a broker of its own; the settings are environment variables."""
    made: list[System] = []
    async with httpx.AsyncClient(timeout=10.0) as client:

        async def make(**settings: Any) -> System:
            made.append(await System.make(fresh_kafka, tmp_path, client, settings))
            return made[-1]

        yield make
        for system in made:
            await system.stack.stop()
