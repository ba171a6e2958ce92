"""Two workers that do the same: on the engine, and as plain Faust's documentation shows it.

Both collect the values seen per key in a table and send the collection on whenever it grew. Run as a program with a
JSON object of :class:`Options`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import faust
from aiokafka.client import AIOKafkaClient

from pipeline.engine import Outgoing, SliceApp, Step


@dataclass
class Options:
    engine: str
    bootstrap_servers: str
    group: str
    inputs: list[str]
    output: str
    data_dir: str
    partitions: int = 2
    hold: str = ""
    """A value whose event is never finished."""
    poison: str = ""
    """A value that makes the agent raise."""
    delay: float = 0.0
    instance_id: str | None = None
    """Static member id."""
    drain_seconds: float = 5.0
    commit_seconds: float = 0.5
    unlisted: bool = False
    """The first answer about the cluster lists no broker, as that of a broker which is just being registered."""
    wait_empty: bool = True
    """Plain Faust only: whether a stop waits for unfinished events, which is its default."""

    def arguments(self) -> tuple[str, ...]:
        return ("-m", "tests.engine.programs", json.dumps(asdict(self)))


def collected(old: bytes | None, values: list[bytes]) -> bytes:
    return b",".join(sorted({*(old.split(b",") if old else ()), *values}))


def sliced(options: Options) -> SliceApp:
    app = SliceApp(
        options.group,
        bootstrap_servers=options.bootstrap_servers,
        data_dir=options.data_dir,
        partitions=options.partitions,
        slice_records=100,
        instance_id=options.instance_id,
        drain_seconds=options.drain_seconds,
        commit_seconds=options.commit_seconds,
    )
    table: Any = app.Table("seen", key_type=bytes, value_type=bytes, partitions=options.partitions)

    def fold(partition: int, records: list[Any]) -> Step:
        by_key: dict[bytes, list[bytes]] = {}
        for record in records:
            if record.value.decode() == options.poison:
                raise ValueError(record.value)
            by_key.setdefault(record.key, []).append(record.value)
        old, step = table.read(partition, list(by_key)), Step()
        for key, values in by_key.items():
            new = collected(old.get(key), values)
            if new != old.get(key):
                step.send(options.output, Outgoing(key, new))
                step.change(table, key, new)
        return step

    held: list[Any] = []

    @app.agent(app.topic(*options.inputs))
    async def collect(stream: Any) -> None:
        async for slices in app.batches(stream):
            print(f"fetched {sum(len(s.records) for s in slices)}", flush=True)
            await asyncio.sleep(options.delay)
            free = [s for s in slices if all(r.value.decode() != options.hold for r in s.records)]
            held.extend(s for s in slices if s not in free)
            by_partition: dict[int, list[Any]] = {}
            for piece in free:
                by_partition.setdefault(piece.tp.partition, []).extend(piece.records)
            steps = {p: fold(p, records) for p, records in by_partition.items()}
            print("written", flush=True)  # or as good as: what is left is to wait for the broker
            await app.settle(free, steps)

    return app


def plain(options: Options) -> faust.App:
    app = faust.App(
        options.group,
        broker=f"kafka://{options.bootstrap_servers}",
        datadir=options.data_dir,
        store="rocksdb://",
        topic_partitions=options.partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        broker_commit_interval=options.commit_seconds,
        consumer_group_instance_id=options.instance_id,
        stream_recovery_delay=0.0,
        stream_wait_empty=options.wait_empty,
        web_enabled=False,
    )
    table = app.Table(
        "seen", key_type=bytes, value_type=bytes, partitions=options.partitions, options={"block_cache_size": 1 << 20}
    )
    output = app.topic(options.output, key_type=bytes, value_type=bytes, value_serializer="raw")

    held: list[Any] = []

    @app.agent(app.topic(*options.inputs, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def collect(stream: Any) -> None:
        async for event in (stream.noack() if options.hold else stream).events():
            print("fetched 1", flush=True)
            await asyncio.sleep(options.delay)
            if event.value.decode() == options.poison:
                raise ValueError(event.value)
            if event.value.decode() == options.hold:
                held.append(event)
                continue
            old = table.get(event.key)
            new = collected(old, [event.value])
            if new != old:
                await output.send(key=event.key, value=new)
                table[event.key] = new
                print("written", flush=True)
            if options.hold:
                event.ack()

    return app


MAKERS: dict[str, Callable[[Options], faust.App]] = {"sliced": sliced, "plain": plain}


async def unlisted(*arguments: Any) -> None:
    """As the client's own where it knows of no broker."""
    raise AssertionError("Did we not perform bootstrap?")


if __name__ == "__main__":
    chosen = Options(**json.loads(sys.argv[1]))
    if chosen.unlisted:
        AIOKafkaClient.coordinator_lookup = unlisted  # type: ignore[method-assign]
    app = MAKERS[chosen.engine](chosen)
    faust.Worker(app, loglevel="info", redirect_stdouts=False).execute_from_commandline()
