"""Restoring tables from their changelog topics.

Answers defects of plain Faust's recovery: it sends every changelog record through the queue of the running consumer one
by one, logs an error there and goes on, takes a trimmed or compacted changelog for one that is not read to its end yet,
and wakes up in steps of five seconds. Here a consumer of its own reads the missing part, by position, in slices, with
one write batch for each; any error stops the worker before it processes on incomplete state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from mode import Service

from pipeline.engine.errors import StateAheadOfChangelog
from pipeline.engine.table import SliceTable

log = structlog.get_logger(__name__)

#: Seconds between two progress lines of a long restore.
PROGRESS_SECONDS = 5.0
#: Changelog records applied before other tasks of the worker get their turn.
RECORDS_PER_TURN = 2000


class SliceRecovery(Recovery):
    """Brings every assigned table partition up to its changelog, then lets the streams flow."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(cast(Any, self.signal_recovery_start)):
                return
            self.signal_recovery_start.clear()
            generation = self._generation_id
            try:
                self._set_recovery_started()
                await self._wait(self._restore(frozenset(self.active_tps)))
                await self._wait(self.on_recovery_completed(generation))
            except RebalanceAgain:
                continue
            except ServiceStopped:
                return

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing to do: changelogs do not come through the app's consumer."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Nothing to do: :meth:`_restore` reports its own progress."""

    async def _restore(self, tps: Iterable[Any]) -> None:
        partitions = {TopicPartition(tp.topic, tp.partition): cast(SliceTable, self.tp_to_table[tp]) for tp in tps}
        if not partitions:
            return
        consumer = self._consumer()
        await consumer.start()
        try:
            await self._read_to_end(consumer, partitions)
        finally:
            await consumer.stop()

    def _consumer(self) -> AIOKafkaConsumer:
        conf = self.app.conf
        return AIOKafkaConsumer(
            bootstrap_servers=server_list(self.app.transport.url, 9092),
            client_id=f"{conf.broker_client_id}-restore",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024**2,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def _read_to_end(self, consumer: AIOKafkaConsumer, tables: dict[TopicPartition, SliceTable]) -> None:
        consumer.assign(list(tables))
        ends = await consumer.end_offsets(list(tables))
        beginnings = await consumer.beginning_offsets(list(tables))
        pending: set[TopicPartition] = set()
        for tp, table in tables.items():
            local = table.persisted_offset(cast(Any, tp))
            if local is not None and local >= ends[tp]:
                raise StateAheadOfChangelog(tp.topic, tp.partition, local, ends[tp])
            start = max(beginnings[tp], 0 if local is None else local + 1)
            if start < ends[tp]:
                consumer.seek(tp, start)
                pending.add(tp)
        consumer.pause(*(set(tables) - pending))
        total = sum([ends[tp] - await consumer.position(tp) for tp in pending])
        await self._apply(consumer, tables, ends, pending, total)

    async def _apply(
        self,
        consumer: AIOKafkaConsumer,
        tables: dict[TopicPartition, SliceTable],
        ends: dict[TopicPartition, int],
        pending: set[TopicPartition],
        total: int,
    ) -> None:
        started = reported = time.monotonic()
        restored = 0
        while pending:
            fetched = await consumer.getmany(*sorted(pending), timeout_ms=500)
            for tp, records in fetched.items():
                table = tables[tp]
                for index in range(0, len(records), RECORDS_PER_TURN):
                    part = records[index : index + RECORDS_PER_TURN]
                    table.apply(tp.partition, table.slices.changes_of(part), part[-1].offset)
                    await asyncio.sleep(0)
                restored += len(records)
            for tp in sorted(pending):
                # By position, not by the last record seen: compaction may have taken the last offsets away.
                if await consumer.position(tp) >= ends[tp]:
                    pending.discard(tp)
                    consumer.pause(tp)
            if time.monotonic() - reported > PROGRESS_SECONDS:
                reported = time.monotonic()
                log.info("restoring state", records=restored, of_at_most=total, partitions_left=len(pending))
        if restored:
            log.info("state restored", records=restored, seconds=round(time.monotonic() - started, 3))


class SliceTableManager(TableManager):
    """Faust's table manager with :class:`SliceRecovery`."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = SliceRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
