"""The Faust app of the order worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

from faust.types import StreamT

from pipeline.agents.join import Join
from pipeline.domain import InvoiceKey, Key, OrderKey, PushPolicies, SubscriptionKey
from pipeline.engine import Slice, SliceApp, SliceTable
from pipeline.events import registry
from pipeline.settings import KafkaSettings, WorkerSettings

JOINED = (registry.ORDER_TOPIC, registry.PAYMENT_TOPIC, registry.SUBSCRIPTION_TOPIC)
"""Topics that meet in one table: keyed alike, so co-partitioned."""

TABLES: dict[type[Key], str] = {OrderKey: "orders", SubscriptionKey: "subscriptions", InvoiceKey: "invoices"}


def make_worker(kafka: KafkaSettings, settings: WorkerSettings, policies: PushPolicies) -> SliceApp:
    """An app whose agents join orders, payments, subscriptions and invoices into tables."""
    app = SliceApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    tables = {kind: _table(app, name, kafka.partitions) for kind, name in TABLES.items()}
    join = Join(tables, policies)

    @app.agent(app.topic(*JOINED), name="orders")
    async def orders(stream: StreamT[Slice]) -> None:
        """Orders with their payments and subscription failures."""
        await work(app, join, stream)

    @app.agent(app.topic(registry.INVOICE_TOPIC), name="invoices")
    async def invoices(stream: StreamT[Slice]) -> None:
        """Invoice captures, which name no order."""
        await work(app, join, stream)

    return app


async def work(app: SliceApp, join: Join, stream: StreamT[Slice]) -> None:
    """Join slices as they come."""
    async for slices in app.batches(stream):
        records = by_partition(slices)
        await app.settle(slices, {partition: join.step(partition, found) for partition, found in records.items()})


def by_partition(slices: Iterable[Slice]) -> dict[int, list[Any]]:
    """The slices' records by partition number, in offset order within each topic."""
    records: dict[int, list[Any]] = defaultdict(list)
    for piece in slices:
        records[piece.tp.partition].extend(piece.records)
    return records


def _table(app: SliceApp, name: str, partitions: int) -> SliceTable:
    return cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions))
