"""The views of customers, companies and jobs."""

from __future__ import annotations

import itertools

import pytest

from pipeline.domain import KINDS, JobOutcome, Key, State, limits
from tests.domain.events import HOUR, SECOND
from tests.domain.groups import COMPANY, CUSTOMER, JOB, entity, job, view_of


@pytest.mark.parametrize(
    ("key", "event_type"),
    [(CUSTOMER, "CustomerChangedNotification"), (COMPANY, "CompanyChangedNotification")],
    ids=["customer", "company"],
)
def test_changes_are_counted_by_table_and_application(key: Key, event_type: str) -> None:
    view = view_of(
        key,
        entity(event_type, 0, "tClientCustomer"),
        entity(event_type, HOUR, "tClientCustomer"),
        entity(event_type, HOUR + SECOND, "tClientCustomer"),
        entity(event_type, 0, "tClientCustomer", ApplicationId=3),
        entity(event_type, 2 * HOUR, "tClientCustomerInfo", ApplicationId=2),
    )
    assert [(one.application_id, one.entity, one.changes, one.changes_complete) for one in view.changes] == [
        (None, "tClientCustomer", 2, True),
        (2, "tClientCustomerInfo", 1, True),
        (3, "tClientCustomer", 1, True),
    ]
    assert view.application_ids == (2, 3)
    assert (view.first_received_at, view.last_changed_at) == (
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T02:00:00.000000Z",
    )


def test_a_count_that_may_be_too_low_says_so() -> None:
    events = [entity("CustomerChangedNotification", n * HOUR) for n in range(limits.CHANGE_HISTORY + 5)]
    (shown,) = view_of(CUSTOMER, *events).changes
    assert (shown.changes, shown.changes_complete) == (limits.CHANGE_HISTORY, False)
    (few,) = view_of(CUSTOMER, *events[:10]).changes
    assert (few.changes, few.changes_complete) == (10, True)


def test_a_job_shows_its_states_and_the_time_between_them() -> None:
    events = [job(6, 0), job(5, 2 * SECOND), job(2, 90 * SECOND + 500_000, ApplicationId=4)]
    for order in itertools.permutations(events):
        view = view_of(JOB, *order)
        assert [state.outcome for state in view.states] == ["queued", "validating", "succeeded"]
        assert (view.outcome, view.finished, view.seconds, view.application_id) == ("succeeded", True, "90.5", 4)
        assert view.conflicts == ()


def test_a_job_that_has_not_ended_shows_how_far_it_came_and_no_duration_of_one_state() -> None:
    view = view_of(JOB, job(5))
    assert (view.outcome, view.finished, view.seconds) == (JobOutcome.VALIDATING, False, None)
    assert view_of(JOB, job(5, 0), job(1, HOUR)).outcome is JobOutcome.VALIDATING


def test_of_two_final_outcomes_the_later_is_shown_and_flagged() -> None:
    retried = view_of(JOB, job(3, 0), job(2, HOUR))
    assert (retried.outcome, [c.field for c in retried.conflicts]) == (JobOutcome.SUCCEEDED, ["outcome"])
    assert view_of(JOB, job(2, 0), job(4, HOUR)).outcome is JobOutcome.VALIDATION_FAILED


def test_an_outcome_delivered_again_does_not_undo_a_later_one() -> None:
    assert view_of(JOB, job(3, 0), job(2, HOUR), job(3, 2 * HOUR)).outcome is JobOutcome.SUCCEEDED


@pytest.mark.parametrize("key", [CUSTOMER, COMPANY, JOB], ids=["customer", "company", "job"])
def test_an_empty_state_has_no_view(key: Key) -> None:
    with pytest.raises(ValueError, match="empty state"):
        KINDS[type(key)].view(key, State())
