"""The Faust app of the drift watch: every body in, one report per shape out. It delays and changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast

import structlog
from faust.types import StreamT

from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.drift.reported import Reported
from pipeline.drift.reports import Report
from pipeline.drift.topics import DRIFT, DRIFT_TABLES
from pipeline.drift.watch import Seen, Watch
from pipeline.drift.windows import WindowRule
from pipeline.engine import Outgoing, Slice, SliceApp, SliceTable, Step
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.partitions import by_partition, home
from pipeline.settings import DriftSettings, KafkaSettings
from pipeline.topics import QUARANTINE

log = structlog.get_logger(__name__)


def make_drift_watch(kafka: KafkaSettings, settings: DriftSettings) -> SliceApp:
    """An app that reads every event topic and the quarantine in a consumer group of its own and reports drift."""
    app = SliceApp(
        settings.group,
        bootstrap_servers=kafka.bootstrap_servers,
        security=kafka.security(),
        data_dir=str(settings.data_dir),
        partitions=kafka.partitions,
        slice_records=settings.slice_records,
        instance_id=settings.instance_id,
    )
    (name,) = DRIFT_TABLES
    windows = cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=kafka.partitions))
    watch = Watch(WindowRule(settings.bodies_before, settings.bodies_without, settings.usual_share))

    @app.agent(app.topic(*EVENT_TOPICS, QUARANTINE), name="drift")
    async def drift(stream: StreamT[Slice]) -> None:
        """Bodies as Norce sent them, taken or refused."""
        async with Reported(kafka) as reported:
            async for slices in app.batches(stream):
                seen = {
                    partition: watch.step(records, lambda keys, partition=partition: windows.read(partition, keys))  # type: ignore[misc]
                    for partition, records in by_partition(slices).items()
                }
                await _settle(app, windows, reported, slices, seen, kafka.partitions)

    return app


async def _settle(
    app: SliceApp,
    windows: SliceTable,
    reported: Reported,
    slices: list[Slice],
    seen: Mapping[int, Seen],
    partitions: int,
) -> None:
    """Reports first, windows after: what made a report is only remembered once the report is acknowledged."""
    new = await reported.news(report for one in seen.values() for report in one.reports.values())
    if not await app.write(slices, _reports(new, partitions)):
        return
    reported.add(new)
    for report in new:
        log.warning("Norce has changed", **_summary(report))
    changes = {partition: Step(changes={windows: dict(one.windows)}) for partition, one in seen.items() if one.windows}
    await app.settle(slices, changes)


def _reports(reports: Iterable[Report], partitions: int) -> dict[int, Step]:
    """Steps by the partitions that the reports' keys belong to, whatever partition their bodies came from."""
    steps: dict[int, Step] = defaultdict(Step)
    for report in reports:
        key = report.key.encode()
        steps[home(key, partitions)].send(DRIFT, Outgoing(key, report.encode(), JSON_HEADERS))
    return steps


def _summary(report: Report) -> dict[str, Any]:
    deviation = report.deviation
    return {
        "event_type": deviation.event_type,
        "kind": str(deviation.kind),
        "field": deviation.field,
        "suggestion": report.suggestion,
    }
