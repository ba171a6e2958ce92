"""The worker's tables on disk, and a join over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pipeline import topics
from pipeline.agents.join import Join
from pipeline.domain import DEFAULT_ALERTS, DEFAULT_POLICIES
from pipeline.engine import SliceApp, SliceTable
from tests.agents.support import NOW, Tables


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(tmp_path), partitions=1)
    app.finalize()
    app._create_directories()
    made = {
        name: cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=1))
        for name in topics.WORKER_TABLES
    }
    yield made
    for table in made.values():
        table.slices.close_partition(0)


@pytest.fixture
def join(tables: Tables) -> Join:
    return Join(tables, DEFAULT_POLICIES, DEFAULT_ALERTS, clock=lambda: NOW, writer="g")
