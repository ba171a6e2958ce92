"""What can end a sweep before it is through. What it published by then stands, and it is simply run again."""

from __future__ import annotations


class SweepUnfinished(Exception):
    """Base: orders are left that were not compared."""


class WorkerBehind(SweepUnfinished):
    """The worker has not joined what is on the event topics, so it cannot be told what is missing."""

    def __init__(self, group: str, partitions: int, seconds: float) -> None:
        super().__init__(
            f"consumer group {group} has not worked off {partitions} partition(s) of order events in {seconds:g} s; "
            "does the worker run, and is NORCE_RECONCILE_WORKER_GROUP its group?"
        )


class TooManyMissing(SweepUnfinished):
    """More events are missing than one sweep may publish."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"more than {limit} events are missing. Look with --dry-run; if that is right, raise "
            "NORCE_RECONCILE_MAX_EVENTS"
        )


class QueryUnusable(SweepUnfinished):
    """Query did not answer, or not as assumed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")


class KafkaUnusable(SweepUnfinished):
    """Kafka did not say in time what is on the topics."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")


class NotPublished(SweepUnfinished):
    """Kafka did not acknowledge what was published."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"Kafka did not acknowledge: {type(error).__name__}: {error}")
