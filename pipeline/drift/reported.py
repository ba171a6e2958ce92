"""Which reports stand on the drift topic already."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.drift import metrics
from pipeline.drift.deviations import UNKNOWN
from pipeline.drift.reports import MAX_REPORTS, Report, event_type_of, overflow
from pipeline.drift.topics import DRIFT
from pipeline.events import find, free_form
from pipeline.settings import KafkaSettings

POLL_MS = 200
LOOK_SECONDS = 30.0
"""Between two looks while there is nothing to send: somebody may have closed reports."""


class Reported:
    """The keys on the drift topic: read to its end at the start, and again whenever there may be something to send.

    The gauge of the reports follows it, with the next bodies that come.

    The topic itself is the memory, so nothing can disagree with it: not after a crash between a report and its offset,
    and not with a second process. A key that somebody deletes with a tombstone is forgotten, and its shape, seen again,
    is reported again.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._partitions = [TopicPartition(DRIFT, number) for number in range(kafka.partitions)]
        self._consumer = AIOKafkaConsumer(
            **kafka.connection(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
            request_timeout_ms=int(kafka.request_timeout * 1000),
        )
        self._keys: set[str] = set()
        self._looked_at = time.monotonic()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        try:
            self._consumer.assign(self._partitions)
            await self._consumer.seek_to_beginning(*self._partitions)
            await self._read_to_end()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the reports that stand, as of the last look."""
        return frozenset(self._keys)

    async def news(self, found: Iterable[Report]) -> list[Report]:
        """The reports that are not on the topic, each once; past the limit of an event type one that says so."""
        candidates = {report.key: report for report in found}
        if candidates or time.monotonic() - self._looked_at > LOOK_SECONDS:
            await self._read_to_end()
        counts = Counter(map(event_type_of, self._keys))
        admitted: dict[str, Report] = {}
        for report in candidates.values():
            if report.key in self._keys:
                continue
            event_type = event_type_of(report.key)
            fits = counts[event_type] < MAX_REPORTS
            chosen = report if fits else overflow(find(event_type) or free_form(event_type), report.sighting)
            if chosen.key not in self._keys and chosen.key not in admitted:
                admitted[chosen.key] = chosen
                counts[event_type] += 1
        return list(admitted.values())

    def add(self, sent: Iterable[Report]) -> None:
        """Remember reports that are acknowledged."""
        self._keys.update(report.key for report in sent)
        self._measure()

    async def _read_to_end(self) -> None:
        ends = await self._consumer.end_offsets(self._partitions)
        left = {tp for tp in self._partitions if await self._consumer.position(tp) < ends[tp]}
        while left:
            for records in (await self._consumer.getmany(*left, timeout_ms=POLL_MS)).values():
                for record in records:
                    self._take(record)
            # By position: compaction may have taken the last offsets away.
            left = {tp for tp in left if await self._consumer.position(tp) < ends[tp]}
        self._looked_at = time.monotonic()
        self._measure()

    def _take(self, record: Any) -> None:
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._keys.discard(key)
        else:
            self._keys.add(key)

    def _measure(self) -> None:
        counts = Counter(event_type if find(event_type) else UNKNOWN for event_type in map(event_type_of, self._keys))
        metrics.REPORTS.clear()
        for event_type, count in counts.items():
            metrics.REPORTS.labels(event_type).set(count)
