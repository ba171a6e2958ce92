"""``python -m tests.simulation --seeds 5000``: as many histories, or one of them again with ``--seed``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.simulation.world import Broken, History, simulate

SHOWN = 2
"""Broken histories that are told step by step; of the others only what broke."""


def quietly() -> None:
    """What the parts log in thousands of histories is of no use."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def attempt(seed: int) -> History | str:
    try:
        return simulate(seed)
    except Broken as broken:
        return str(broken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first one's seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at the same time")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds) if given.seed is None else range(given.seed, given.seed + 1)
    began = time.monotonic()
    with ProcessPoolExecutor(given.processes, initializer=quietly) as pool:
        found = list(pool.map(attempt, seeds, chunksize=max(1, min(20, len(seeds) // 8))))
    broken = [each for each in found if isinstance(each, str)]
    lived = [each for each in found if isinstance(each, History)]
    print(
        f"{len(found)} histories in {time.monotonic() - began:.1f} s: {sum(h.events for h in lived)} events, "
        f"{sum(h.deaths for h in lived)} deaths, {sum(h.rebalances for h in lived)} rebalances, "
        f"{sum(h.seconds for h in lived) / 3600:.1f} virtual hours, {len(broken)} broken"
    )
    for each in broken[SHOWN:]:
        print(each.partition("\n")[0])
    for each in broken[:SHOWN]:
        print(each)
    if given.seed is not None and lived:
        print(lived[0])
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
