"""Steps that say how their records ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import prometheus_client

from pipeline import topics
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.engine import Outgoing, Step
from pipeline.ledger.records import LedgerEntry, ranges


@dataclass(kw_only=True)
class LedgerStep(Step):
    """A step with the outcomes of the records that it follows from.

    ``writer`` is the consumer group. ``counter`` has two labels, the subject (an event type, a target) and the outcome;
    it counts once the step is written.
    """

    writer: str
    counter: prometheus_client.Counter
    _ended: dict[tuple[str, int], dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def ended(self, record: Any, subject: str, outcome: str) -> None:
        """Say how a record ended: anything with ``topic``, ``partition`` (the step's own) and ``offset``.

        The record need not be new: what was parked long ago ends once more when it is released or dropped, and then the
        later outcome stands.
        """
        self._ended[record.topic, record.partition][record.offset] = outcome
        self._counts[subject, outcome] += 1

    def seal(self) -> None:
        """Add the ledger's records to what the step sends. Nothing may be said after that."""
        for (topic, partition), outcomes in self._ended.items():
            offsets: dict[str, list[int]] = defaultdict(list)
            for offset in sorted(outcomes):
                offsets[str(outcomes[offset])].append(offset)
            found = {outcome: ranges(ended) for outcome, ended in offsets.items()}
            entry = LedgerEntry(writer=self.writer, topic=topic, partition=partition, outcomes=found)
            self.send(topics.LEDGER, Outgoing(topic.encode(), entry.encode(), JSON_HEADERS))
        if self._counts:
            self.afterwards.append(self._count)

    def _count(self) -> None:
        for (subject, outcome), count in self._counts.items():
            self.counter.labels(subject, outcome).inc(count)
