"""The Faust apps of the sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar, cast

from faust.types import StreamT

from connectors.checkout import CheckoutClient
from connectors.connect import ConnectClient
from connectors.norce import CallLog, NorceError, persist
from pipeline import topics
from pipeline.domain import CheckoutUpdate, ConnectUpdate, UnreadableUpdate, decode_update
from pipeline.engine import Slice, SliceApp, SliceTable, StaleSlices
from pipeline.framing import unframed
from pipeline.ledger import UpdateOutcome
from pipeline.settings import CheckoutSettings, ConnectSettings, KafkaSettings, SinkSettings
from pipeline.sinks.lanes import Deliver, Lanes
from pipeline.sinks.writer import Writer

CALL_GRACE = 5.0
"""Seconds that calls under way get when partitions are given up. A longer one is cut off and made again later."""

LANES_PER_CALL = 4
"""Orders worked on for each call that may be in flight: one that Norce keeps failing waits most of the time."""

Client = ConnectClient | CheckoutClient
U = TypeVar("U", ConnectUpdate, CheckoutUpdate)


class SinkApp(SliceApp):
    """A sink's app; ``client`` is there once the agent runs."""

    client: Client | None = None

    @property
    def waiting_for_norce(self) -> bool:
        """Whether Norce, and not this sink, is what holds updates up."""
        return self.client is not None and self.client.breaker_open


def make_connect_sink(kafka: KafkaSettings, settings: ConnectSettings) -> SinkApp:
    """An app that sends updates to Connect."""

    def deliver(client: ConnectClient) -> Deliver[ConnectUpdate]:
        async def send(update: ConnectUpdate, calls: CallLog) -> UpdateOutcome:
            infos = [{"code": info.code, "value": info.value} for info in update.content.infos]
            await persist(
                lambda patience: client.send_order_status(
                    update.client_order_ref,
                    update.order_no,
                    infos,
                    update.content.order_status,
                    application_id=update.application_id,
                    patience=patience,
                ),
                settings.deadline,
                calls=calls,
            )
            return UpdateOutcome.DELIVERED

        return send

    return _make_sink(ConnectUpdate, kafka, settings, lambda: ConnectClient(settings), deliver)


def make_checkout_sink(kafka: KafkaSettings, settings: CheckoutSettings) -> SinkApp:
    """An app that writes updates to Checkout."""

    def deliver(client: CheckoutClient) -> Deliver[CheckoutUpdate]:
        async def send(update: CheckoutUpdate, calls: CallLog) -> UpdateOutcome:
            channel = client.channel_for(update.client_id, update.application_id)

            async def write(patience: Any) -> UpdateOutcome:
                order = await client.find_order(channel, update.client_order_ref, patience=patience)
                if order is None:
                    return UpdateOutcome.NO_ORDER
                await client.patch_attributes(channel, order.id, update.content.attributes, patience=patience)
                return UpdateOutcome.DELIVERED

            return await persist(write, settings.deadline, calls=calls)

        return send

    return _make_sink(CheckoutUpdate, kafka, settings, lambda: CheckoutClient(settings), deliver)


def _make_sink(
    kind: type[U],
    kafka: KafkaSettings,
    settings: SinkSettings,
    connect: Callable[[], AbstractAsyncContextManager[Any]],
    deliver: Callable[[Any], Deliver[U]],
) -> SinkApp:
    app = SinkApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        security=kafka.security(),
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    table = cast(SliceTable, app.Table("sent", key_type=bytes, value_type=bytes, partitions=kafka.partitions))

    @app.agent(app.topic(topics.UPDATES), name=str(kind.__struct_config__.tag))
    async def send(stream: StreamT[Slice]) -> None:
        """Updates of one target, each order's newest."""
        async with connect() as client:
            app.client = client
            trouble: BaseExceptionGroup[NorceError] | None = None
            try:
                await _send(app, kind, table, deliver(client), settings.concurrency, stream)
            except* NorceError as group:
                trouble = group
            if trouble is not None:
                raise _first(trouble) from trouble

    return app


async def _send(
    app: SinkApp, kind: type[U], table: SliceTable, deliver: Deliver[U], concurrency: int, stream: StreamT[Slice]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        target = str(kind.__struct_config__.tag)
        writer = Writer(app, table, target)
        lanes = Lanes(target, deliver, table, writer, app.slices, LANES_PER_CALL * concurrency, tasks)
        tasks.create_task(writer.run())
        tasks.create_task(_give_up_when_stopping(app, lanes))
        async for slices in app.batches(stream):
            for piece in slices:
                with suppress(StaleSlices):
                    await _take(kind, lanes, piece)


async def _take(kind: type[U], lanes: Lanes[U], piece: Slice) -> None:
    updates: list[tuple[Any, U]] = []
    unreadable: list[tuple[Any, Exception]] = []
    for record in piece.records:
        try:
            update = decode_update(unframed(record.value or b""))
        except UnreadableUpdate as unread:
            unreadable.append((record, unread))
        else:
            if isinstance(update, kind):
                updates.append((record, update))
    lanes.expect(piece, len(updates) + len(unreadable))
    for record, update in updates:
        lanes.add(update, record, piece)
    for record, reason in unreadable:
        await lanes.bury(record, piece, reason)


async def _give_up_when_stopping(app: SinkApp, lanes: Lanes[Any]) -> None:
    while True:
        await app.slices.stopping.wait()
        await lanes.give_up(CALL_GRACE)
        while app.slices.stopping.is_set():
            await app.slices.change(1.0)


def _first(group: BaseExceptionGroup[NorceError]) -> NorceError:
    """The first plain error of a group: it names the trouble."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return cast(NorceError, error)


__all__ = ["SinkApp", "make_checkout_sink", "make_connect_sink"]
