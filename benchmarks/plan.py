"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.bars import CONNECTIONS


@dataclass(frozen=True)
class Plan:
    """Sizes of every workload. ``quick`` leaves out what takes long to tell anything."""

    repetitions: int
    connections: tuple[int, ...]
    seconds: float
    """That one ingress load is timed."""
    orders: int
    """In the backlog of the join; each has about four events."""
    updates: int
    """Orders that a sink tells Norce about."""
    restored: int
    """Orders that are restored from the changelog."""
    rebuilt: int
    """Orders that are rebuilt from the events."""
    growth: tuple[int, ...]
    """Numbers of orders that there are already."""
    latency_seconds: float
    quick: bool = False


QUICK_AT_MOST = 3
"""Repetitions of a quick workload, if the first say that a bar is missed clearly."""

QUICK = Plan(1, (64,), 3.0, 5_000, 300, 20_000, 2_000, (), 5.0, quick=True)
NORMAL = Plan(3, CONNECTIONS, 5.0, 10_000, 1_000, 1_000_000, 10_000, (10_000, 500_000, 5_000_000), 10.0)
FULL = Plan(5, CONNECTIONS, 15.0, 100_000, 10_000, 1_000_000, 100_000, (10_000, 100_000, 1_000_000, 5_000_000), 30.0)
