"""The work of the hand-written loop and nothing around it: no Kafka, no store, no commit. The limit of one process.

``python -m benchmarks.join.loop_without_kafka OPTIONS`` prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.events import backlog
from benchmarks.peers import join_work as work
from benchmarks.peers.loop_join import Loop

BATCH = 500
"""Records that the loop gets in one go, about as many as in a fetched slice."""


class Record(NamedTuple):
    """What the loop reads of a consumer's record."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def run(orders: int, began: int, warm: float) -> dict[str, Any]:
    """Join the backlog of so many orders; ``warm`` is the share of it that is not timed."""
    records = [Record(one.key, one.value or b"", tuple(one.headers)) for *_, one in backlog(orders, began)]
    first = int(len(records) * warm)
    loop = Loop()
    newest: dict[bytes, bytes | None] = {}
    start_time = used = 0.0
    for start in range(0, len(records), BATCH):
        if not start_time and start >= first:
            first, start_time, used = start, time.perf_counter(), time.process_time()
        newest.update(loop.work(records[start : start + BATCH])[work.ENRICHED])
    timed = len(records) - first
    seconds, cpu = time.perf_counter() - start_time, time.process_time() - used
    return {"rate": timed / seconds, "cpu_us": cpu / timed * 1e6, "digest": digest(newest)}


def digest(newest: Mapping[bytes, bytes | None]) -> str:
    """Stands for the newest record of each key."""
    found = hashlib.sha256()
    for key in sorted(newest):
        found.update(key + b"\0" + (newest[key] or b"") + b"\0")
    return found.hexdigest()


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
