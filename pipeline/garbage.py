"""Python's garbage collector, set for processes that run for months."""

from __future__ import annotations

import gc

YOUNG = 5_000
"""Objects made, less those freed, between two rounds over the young ones; Python's own 700 is for small programs."""


def spare_the_start() -> None:
    """Take what the start has made out of all further rounds: it lives as long as the process.

    A full round over a process's modules stops its event loop for 50 to 100 milliseconds; every request and every
    record in that time waits for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
