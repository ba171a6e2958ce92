"""The view of a job: how it ended, and how long it took as far as events tell.

A ``JobId`` is taken for one run of a job (assumed). Of several final outcomes the one that was first received last is
shown, because a run that failed may be tried again, and the contradiction is flagged: Norce sends no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from pipeline.domain.amounts import number
from pipeline.domain.conflicts import report, settle
from pipeline.domain.facts import JobCompleted
from pipeline.domain.keys import JobKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.records import (
    TIME,
    ClientId,
    Conflict,
    Conflicts,
    FirstReceivedAt,
    LastChangedAt,
    NullableApplicationId,
    Record,
    RecordId,
    Version,
)
from pipeline.domain.state import Receipt, State, version
from pipeline.domain.times import rfc3339


class JobOutcome(StrEnum):
    """How far a job has come."""

    INITIALISED = "initialised"
    QUEUED = "queued"
    VALIDATING = "validating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    VALIDATION_FAILED = "validation_failed"


OUTCOME: Mapping[int, JobOutcome] = {
    1: JobOutcome.INITIALISED,
    2: JobOutcome.SUCCEEDED,
    3: JobOutcome.FAILED,
    4: JobOutcome.VALIDATION_FAILED,
    5: JobOutcome.VALIDATING,
    6: JobOutcome.QUEUED,
}
"""By Norce StatusId (Norce docs)."""
FINAL = frozenset({JobOutcome.SUCCEEDED, JobOutcome.FAILED, JobOutcome.VALIDATION_FAILED})
_RANK = tuple(JobOutcome).index


class JobState(Record, frozen=True):
    """One state that the job was said to be in."""

    outcome: Annotated[JobOutcome, Meta(description="The state")]
    first_received_at: Annotated[str, Meta(description=f"When it was first received; {TIME}")]
    event_id: Annotated[str, Meta(description="Id of that delivery: ce_id of the record on the event topic")]


class JobView(Record, frozen=True):
    """A job as its events tell it."""

    client_id: ClientId
    job_id: Annotated[int, Meta(description="Norce JobId, taken for one run of a job")]
    application_id: NullableApplicationId
    outcome: Annotated[
        JobOutcome, Meta(description="The final outcome received last; without one, how far the job is known to be")
    ]
    finished: Annotated[bool, Meta(description="Whether a final outcome was received")]
    states: Annotated[tuple[JobState, ...], Meta(description="Every state seen, in order of receipt")]
    seconds: Annotated[
        str | None,
        Meta(description="Seconds between the first and the last state seen, decimal text; null if it is only one"),
    ]
    conflicts: Conflicts
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: Version


class EnrichedJob(JobView, frozen=True):
    """The record of the enriched jobs topic."""

    id: RecordId


def job_view(key: JobKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> JobView:
    """The job as its facts tell it. Raises ``ValueError`` if the state is empty."""
    seen = _first_receipts(state)
    if not seen:
        raise ValueError("an empty state has no view")
    found: list[Conflict] = []
    final = [outcome for outcome in seen if outcome in FINAL]
    outcome = max(final, key=lambda one: (seen[one], _RANK(one))) if final else max(seen, key=_RANK)
    report("outcome", final, outcome, found)
    named = {fact.application_id for fact, _ in state.facts if isinstance(fact, JobCompleted)}
    applications = {shop for shop in named if shop is not None}
    order = sorted(seen, key=lambda one: (seen[one], _RANK(one)))
    first, last = seen[order[0]].received_at, seen[order[-1]].received_at
    return JobView(
        client_id=key.client_id,
        job_id=key.job_id,
        application_id=settle("application_id", applications, ((0, shop) for shop in applications), found),
        outcome=outcome,
        finished=bool(final),
        states=tuple(
            [
                JobState(outcome=one, first_received_at=rfc3339(seen[one].received_at), event_id=seen[one].event_id)
                for one in order
            ]
        ),
        seconds=number(Decimal(last - first).scaleb(-6)) if len(seen) > 1 else None,
        conflicts=tuple(found),
        first_received_at=rfc3339(first),
        last_changed_at=rfc3339(last),
        version=version(state),
    )


def _first_receipts(state: State) -> dict[JobOutcome, Receipt]:
    first: dict[JobOutcome, Receipt] = {}
    for fact, receipts in state.facts:
        if isinstance(fact, JobCompleted):
            outcome = OUTCOME[fact.status_id]
            first[outcome] = min(first.get(outcome, receipts[0]), receipts[0])
    return first
