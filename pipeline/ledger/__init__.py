"""The ledger: how every event and every update ended, by offset, on one topic.

A process adds to each step it writes one small record for each partition that the step's records came from. It is
acknowledged before the changelog and before the offset is committed, so what is committed has an outcome. After a crash
the same offsets may be said again: the last record about an offset stands.
"""

from pipeline.ledger.outcomes import EventOutcome, UpdateOutcome
from pipeline.ledger.records import LedgerEntry, ranges
from pipeline.ledger.steps import LedgerStep

__all__ = ["EventOutcome", "LedgerEntry", "LedgerStep", "UpdateOutcome", "ranges"]
