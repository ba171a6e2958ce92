"""What can be wrong with a question."""

from __future__ import annotations

from collections.abc import Iterable


class QueryError(Exception):
    """Base of everything that is said to whoever asks."""


class NoSuchThing(QueryError):
    """No event told of a thing with this key."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"nothing is known of {kind} {key}")


class PartitionMoving(QueryError):
    """No worker answers for a partition just now: it starts, stops, or restores its tables. Asking again helps."""

    def __init__(self, partitions: Iterable[int]) -> None:
        numbers = sorted(partitions)
        which = f"partition {numbers[0]}" if len(numbers) == 1 else f"partitions {', '.join(map(str, numbers))}"
        super().__init__(f"no worker has {which} just now; it is moving to another one, or being restored")


class NoWorker(QueryError):
    """No worker answers at all."""

    def __init__(self, addresses: Iterable[str]) -> None:
        super().__init__(f"no worker answers at {', '.join(addresses)}")
