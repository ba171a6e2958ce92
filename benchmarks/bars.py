"""The one table of bars: how fast the pipeline has to be, as ratios.

``quick`` is what ``make bench-quick`` fails at: below it a ratio is clearly below its bar or below what was reached,
not a matter of noise. ``None``: the quick run does not judge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OURS = "norce-pipeline"
WITHOUT_KAFKA = "same server, no Kafka"
PRODUCER = "bare producer"
NODE = "fastify (Node.js)"
GO = "net/http and franz-go (Go)"
STARLETTE = "Starlette"
FASTAPI = "FastAPI"
FAUST = "plain Faust"
QUIX = "Quix Streams"
STREAMS = "Kafka Streams (Java)"
LOOP = "hand-written loop"
LOOP_ALONE = "its work alone, no Kafka"
HTTPX = "bare httpx"
RESTORE = "restore from the changelog"
REBUILD = "rebuild from events"


class Sense(StrEnum):
    """Which side of the bar is good."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True)
class Bar:
    """Our ``value`` over the smallest of the others' has to be ``sense`` ``bar``."""

    workload: str
    ours: str
    others: tuple[str, ...]
    value: str
    sense: Sense
    bar: float
    quick: float | None = None

    def limit(self, *, quick: bool = False) -> float:
        """What a run of that kind is judged by."""
        return self.quick if quick and self.quick is not None else self.bar

    def times_met(self, ratio: float, *, quick: bool = False) -> float:
        """1 exactly at the bar, more on its good side."""
        limit = self.limit(quick=quick)
        return ratio / limit if self.sense is Sense.AT_LEAST else limit / ratio

    def is_met(self, ratio: float, *, quick: bool = False) -> bool:
        return self.times_met(ratio, quick=quick) >= 1.0


def _ingress(connections: int) -> list[Bar]:
    workload = f"ingress/{connections} connections"
    return [
        Bar(workload, OURS, (FASTAPI,), "rate", Sense.AT_LEAST, 2.0, 1.5 if connections == 64 else None),
        Bar(workload, OURS, (STARLETTE,), "rate", Sense.AT_LEAST, 1.2, 0.9 if connections == 64 else None),
        Bar(workload, OURS, (WITHOUT_KAFKA, PRODUCER), "rate", Sense.AT_LEAST, 0.8, None),
        Bar(workload, OURS, (STARLETTE,), "p99_ms", Sense.AT_MOST, 1.5, 2.0 if connections == 64 else None),
    ]


CONNECTIONS = (1, 64, 256)

BARS: tuple[Bar, ...] = (
    *[bar for connections in CONNECTIONS for bar in _ingress(connections)],
    # Quick limits are about three quarters of the bar, as single runs of seconds were seen to differ by a third; of
    # these two they are three quarters of what is reached (4.1 and 0.65). The work alone, without Kafka, is about 6
    # times as fast as plain Faust, and what the worker adds to it is judged by itself.
    Bar("join", OURS, (FAUST,), "rate", Sense.AT_LEAST, 12.0, 3.0),
    Bar("join", OURS, (LOOP_ALONE,), "rate", Sense.AT_LEAST, 0.8, 0.5),
    Bar("join", OURS, (QUIX,), "rate", Sense.AT_LEAST, 1.0, 0.8),
    Bar("join", OURS, (LOOP,), "rate", Sense.AT_LEAST, 0.6, 0.45),
    Bar("sink/connect", OURS, (HTTPX,), "rate", Sense.AT_LEAST, 0.7, 0.5),
    Bar("sink/checkout", OURS, (HTTPX,), "rate", Sense.AT_LEAST, 0.7, 0.5),
    Bar("recovery", RESTORE, (REBUILD,), "rate", Sense.AT_LEAST, 10.0, 5.0),
)


def bars(growth: tuple[int, ...]) -> tuple[Bar, ...]:
    """All bars of a run: throughput has to stay within 20 % from the smallest number of orders to the largest."""
    if len(growth) < 2:
        return BARS
    few, many = f"{growth[0]:,} orders", f"{growth[-1]:,} orders"
    return (*BARS, Bar("growth", many, (few,), "rate", Sense.AT_LEAST, 0.8))
