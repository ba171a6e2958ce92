"""Python imports this by itself in every process whose PYTHONPATH names this folder: its wall clock jumps.

Ten minutes ahead, back, behind and back, a jump every few seconds and another one for each process. Time that only
grows (``time.monotonic``) stays as it is, as on a machine whose clock is set.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

SECONDS = 600
EVERY = 3.0

_time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic


def offset() -> int:
    """Seconds that the clock is off just now."""
    return (0, SECONDS, 0, -SECONDS)[(int(_monotonic() / EVERY) + os.getpid()) % 4]


time.time = lambda: _time() + offset()
time.time_ns = lambda: _time_ns() + offset() * 1_000_000_000


class _Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return datetime.datetime.fromtimestamp(time.time(), tz)


class _Finder(MetaPathFinder):
    """Gives the connector's records, which take their time from ``datetime``, the jumping one."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "connectors.webhook.records":
            return None
        spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        assert spec is not None
        assert spec.loader is not None
        load: Loader = spec.loader
        execute = load.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            module.datetime = _Jumping  # type: ignore[attr-defined]

        load.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Finder())
