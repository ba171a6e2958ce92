"""The limit of the join is one only if what it stands for did the whole work."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.events import backlog
from benchmarks.join.loop_without_kafka import digest, run
from pipeline.domain import Arrival, OrderKey, advance

BEGAN = 1_790_000_000_000_000


def test_the_work_without_kafka_comes_to_what_all_events_of_an_order_together_come_to() -> None:
    arrivals: dict[str, list[Arrival]] = defaultdict(list)
    for event, identity, received_at, _ in backlog(60, BEGAN):
        arrivals[event.key].append(Arrival(event.type, event.body, identity, received_at))
    together = {key.encode(): advance(OrderKey.parse(key), None, found).record for key, found in arrivals.items()}
    found = run(60, BEGAN, warm=0.2)
    assert found["digest"] == digest({key: record for key, record in together.items() if record is not None})
    assert found["rate"] > 0


def test_another_record_of_any_order_is_another_digest() -> None:
    assert digest({b"1:1:1": b"{}", b"1:1:2": b"{}"}) != digest({b"1:1:1": b"{}", b"1:1:2": b"[]"})
