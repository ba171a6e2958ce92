"""What can go wrong in the engine, by name.

::

    EngineError
    ├── GroupLost               the client gave up keeping this worker in its consumer group
    ├── RecordTooLarge          a record that no broker setting lets through
    ├── StateStoreError         the local state cannot be opened, read or written
    │   └── StateDamaged        it was found damaged while in use and set aside; a restart rebuilds it
    └── StateAheadOfChangelog   the local state knows changelog records that Kafka no longer has
"""


class EngineError(Exception):
    """Base of the engine's errors; each of them stops the worker with nothing committed past it."""


class GroupLost(EngineError):
    """The client's task that joins the consumer group ended, so no record would ever come again. A restart mends it."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__(f"the Kafka client no longer takes part in the consumer group: {cause!r}")


class RecordTooLarge(EngineError):
    """One record is larger than the producer may send."""

    def __init__(self, topic: str, key: bytes | None, size: int, limit: int) -> None:
        self.topic, self.key, self.size, self.limit = topic, key, size, limit
        super().__init__(f"a record for {topic} with key {key!r} has {size} bytes; the limit is {limit}")


class StateStoreError(EngineError):
    """The RocksDB folder of a partition cannot be opened, read or written, and rebuilding it would not help.

    A full disk is one: with space again the worker goes on from what is there.
    """

    def __init__(self, path: object, cause: object, doing: str = "open") -> None:
        self.path = path
        super().__init__(f"cannot {doing} the state in {path}: {cause}")


class StateDamaged(StateStoreError):
    """The state turned out to be damaged while it was in use. It is set aside, so a restart rebuilds it."""

    def __init__(self, path: object, cause: object, doing: str, aside: object) -> None:
        super().__init__(path, f"{cause}; it is set aside as {aside}, started again the worker rebuilds it", doing)


class StateAheadOfChangelog(EngineError):
    """The local state was written from changelog offsets that the topic does not have.

    Happens when the changelog topic was deleted or the state belongs to another cluster. Going on would mix two
    histories, so the worker stops; with the state folder removed it rebuilds from the changelog as it is now.
    """

    def __init__(self, topic: str, partition: int, local: int, end: int) -> None:
        self.topic, self.partition, self.local, self.end = topic, partition, local, end
        super().__init__(
            f"the local state of {topic}/{partition} reaches changelog offset {local}, but the topic ends at {end}. "
            "Was the topic deleted, or is this the state of another cluster? "
            "Remove the worker's data folder to rebuild from the topic as it is."
        )
