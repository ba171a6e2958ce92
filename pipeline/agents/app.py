"""The Faust app of the worker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from faust.types import StreamT

from pipeline import metrics, topics
from pipeline.agents.commands import Commands, carry_out
from pipeline.agents.join import Join
from pipeline.agents.limits import Limits
from pipeline.domain import AlertPolicy, InvalidPolicy, PushPolicies
from pipeline.engine import Slice, SliceApp, SliceTable
from pipeline.engine.slices import TopicPartition
from pipeline.events import registry
from pipeline.settings import KafkaSettings, SettingsError, WorkerSettings

AGENTS: Mapping[str, tuple[str, ...]] = {
    "orders": (
        registry.ORDER_TOPIC,
        registry.PAYMENT_TOPIC,
        registry.SUBSCRIPTION_TOPIC,
        topics.SUBSCRIPTION_FAILURES,
        topics.LOOKUPS["order"],
    ),
    "invoices": (registry.INVOICE_TOPIC, topics.LOOKUPS["invoice"]),
    "products": (registry.PRODUCT_TOPIC, registry.SUPPLIER_TOPIC, topics.LOOKUPS["product"]),
    "customers": (registry.CUSTOMER_TOPIC,),
    "jobs": (registry.SYSTEM_TOPIC,),
}
"""Agents and the topics they read. What meets in one table is keyed alike, so co-partitioned, and read by one agent."""


def make_worker(kafka: KafkaSettings, settings: WorkerSettings, policies: PushPolicies) -> SliceApp:
    """An app whose agents join the events of all groups into tables, and a timer for what time alone changes.

    Raises:
        SettingsError: the settings about alerts name something that does not exist.
    """
    app = SliceApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        security=kafka.security(),
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    alerts = alert_policy(settings)
    tables = {name: _table(app, name, kafka.partitions) for name in topics.WORKER_TABLES}
    join = Join(tables, policies, alerts, writer=settings.group, limits=limits(settings))
    for name, read in AGENTS.items():
        _agent(app, join, name, read)
    _commands(app, join)

    async def by_time() -> None:
        await sweep(app, join)
        measure(app, join)

    app.timer(settings.alert_sweep_interval, name="alerts", traced=False)(by_time)
    return app


def alert_policy(settings: WorkerSettings) -> AlertPolicy:
    """The alert policy of the settings. Raises ``SettingsError``."""
    try:
        return AlertPolicy.of(
            settings.alert_after, settings.alert_expires, subscription_failures=settings.alert_subscription_failures
        )
    except InvalidPolicy as error:
        problems = [(place.partition("."), problem) for place, problem in error.problems]
        raise SettingsError(
            [(settings.variable(f"alert_{name}"), f"{kind} {problem}") for (name, _, kind), problem in problems]
        ) from error


def limits(settings: WorkerSettings) -> Limits:
    """When the worker stops rather than put more events aside."""
    return Limits(
        ratio=settings.dead_letter_ratio,
        window=settings.dead_letter_window,
        run=settings.dead_letter_run,
        waiting=settings.parked_limit,
    )


def _agent(app: SliceApp, join: Join, name: str, read: Sequence[str]) -> None:
    @app.agent(app.topic(*read), name=name)
    async def agent(stream: StreamT[Slice]) -> None:
        await work(app, join, stream)


def _commands(app: SliceApp, join: Join) -> None:
    commands = Commands(join)

    @app.agent(app.topic(topics.COMMANDS), name="commands")
    async def agent(stream: StreamT[Slice]) -> None:
        async for slices in app.batches(stream):
            async with asyncio.TaskGroup() as group:
                for partition, pieces in by_partition(slices).items():
                    group.create_task(carry_out(app, commands, partition, pieces))


async def work(app: SliceApp, join: Join, stream: StreamT[Slice]) -> None:
    """Join slices as they come, each partition for itself."""
    async for slices in app.batches(stream):
        async with asyncio.TaskGroup() as group:
            for partition, pieces in by_partition(slices).items():
                group.create_task(_join(app, join, partition, pieces))


async def _join(app: SliceApp, join: Join, partition: int, pieces: Sequence[Slice]) -> None:
    async with app.turn(partition):
        if app.slices.holds(pieces):
            known = {piece.tp.topic: piece.known_until for piece in pieces}
            step = join.step(partition, [record for piece in pieces for record in piece.records], known)
            await app.settle(pieces, {partition: step})


async def sweep(app: SliceApp, join: Join) -> None:
    """Open and close alerts whose time has come, in the partitions that are this worker's."""
    for partition in app.owned():
        async with app.turn(partition):
            claim = app.slices.claim(TopicPartition(topics.ALERTS, partition)) if partition in app.owned() else None
            if claim is None:
                continue
            try:
                await app.write([claim], {partition: join.sweep(partition)})
            finally:
                app.slices.release([claim])


def measure(app: SliceApp, join: Join) -> None:
    """Bring the gauges about parked keys up to date."""
    parked = [head for partition in app.owned() for head in join.parking.parked(partition)]
    metrics.PARKED_KEYS.set(len(parked))
    metrics.PARKED_EVENTS.set(sum(head.next - head.first for head in parked))
    metrics.PARKED_SINCE.set(min((head.since / 1000 for head in parked), default=0))


def by_partition(slices: Iterable[Slice]) -> dict[int, list[Slice]]:
    """The slices by partition number."""
    found: dict[int, list[Slice]] = defaultdict(list)
    for piece in slices:
        found[piece.tp.partition].append(piece)
    return found


def _table(app: SliceApp, name: str, partitions: int) -> SliceTable:
    return cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions))
