"""The Faust app of the privacy process: personal values in, sealed, and pseudonyms out."""

from __future__ import annotations

import asyncio
import os
from typing import cast

from faust.types import StreamT

from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.engine import Outgoing, Slice, SliceApp, Step
from pipeline.engine.producer import SliceProducer
from pipeline.partitions import by_partition
from pipeline.privacy.identifiers import PERSONAL_TOPICS
from pipeline.privacy.keeper import Keeper, Work
from pipeline.privacy.requests import TICK
from pipeline.privacy.rings import pseudonyms_of, wrapping_of
from pipeline.privacy.tables import ErasableTable
from pipeline.privacy.topics import FORGET, ORDERS_BUYERS
from pipeline.settings import KafkaSettings, PrivacySettings

LOOK_SECONDS = 1.0
"""Between two looks for partitions that have come."""


def make_privacy(kafka: KafkaSettings, settings: PrivacySettings) -> SliceApp:
    """An app that reads the topics that hold personal data, in a consumer group of its own."""
    app = SliceApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        security=kafka.security(),
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    keys, rows = (_table(app, name, kafka.partitions) for name in ("person-keys", "private"))
    keeper = Keeper(pseudonyms_of(settings), wrapping_of(settings), os.urandom)

    @app.agent(app.topic(*PERSONAL_TOPICS, FORGET), name="privacy")
    async def privacy(stream: StreamT[Slice]) -> None:
        """Events with personal data, and requests to forget."""
        ticking = asyncio.create_task(_keep_ticking(app, settings.tick_interval))
        try:
            async for slices in app.batches(stream):
                work = {
                    partition: keeper.step(
                        records,
                        lambda names, partition=partition: keys.read(partition, names),  # type: ignore[misc]
                        lambda names, partition=partition: rows.read(partition, names),  # type: ignore[misc]
                        lambda begin, partition=partition: rows.items_of(partition, begin),  # type: ignore[misc]
                    )
                    for partition, records in by_partition(slices).items()
                }
                await _settle(app, keys, rows, slices, work)
        finally:
            ticking.cancel()

    return app


async def _settle(
    app: SliceApp, keys: ErasableTable, rows: ErasableTable, slices: list[Slice], work: dict[int, Work]
) -> None:
    """Keys first, rows after; a request to forget is finished when the local state is purged, too."""
    steps = {partition: _step(keys, rows, done) for partition, done in work.items()}
    if not await app.write(slices, steps):
        return
    for partition, done in work.items():
        if done.forgets:
            for table in (keys, rows):
                await asyncio.to_thread(table.purge, partition)
    await app.settle(slices, {})
    for partition, done in work.items():
        if done.unswept:
            await _tick(app, partition)


def _step(keys: ErasableTable, rows: ErasableTable, work: Work) -> Step:
    step = Step()
    for key, buyers in work.buyers.items():
        step.send(ORDERS_BUYERS, Outgoing(key, buyers, JSON_HEADERS))
    if work.keys:
        step.changes[keys] = work.keys
    if work.rows:
        step.changes[rows] = work.rows
    return step


async def _keep_ticking(app: SliceApp, seconds: float) -> None:
    """Tick in every partition as soon as it is this process's, and from time to time.

    So the private topics begin new segments although nobody buys anything: only old ones are compacted. And pseudonyms
    that other keys have made are published anew although no event comes.
    """
    clock = asyncio.get_running_loop().time
    due: dict[int, float] = {}
    while True:
        now = clock()
        due = {tp.partition: due.get(tp.partition, now) for tp in app.slice_consumer.assignment() if tp.topic == FORGET}
        for partition in [partition for partition, at in due.items() if at <= now]:
            await _tick(app, partition)
            due[partition] = now + seconds
        await asyncio.sleep(min(seconds, LOOK_SECONDS))


async def _tick(app: SliceApp, partition: int) -> None:
    await cast(SliceProducer, app.producer).send_records(FORGET, partition, [Outgoing(TICK, b"{}")])


def _table(app: SliceApp, name: str, partitions: int) -> ErasableTable:
    table = ErasableTable(
        app,
        name=name,
        default=None,
        beacon=app.tables.beacon,
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
    )
    return cast(ErasableTable, app.tables.add(table))
