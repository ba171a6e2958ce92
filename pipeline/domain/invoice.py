"""The view of an invoice: what became of capturing it."""

from __future__ import annotations

from pipeline.domain.conflicts import report, settle
from pipeline.domain.facts import InvoiceCapture
from pipeline.domain.history import history
from pipeline.domain.keys import InvoiceKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.lookups import InvoiceLookedUp
from pipeline.domain.records import CaptureOutcome, Conflict, InvoiceView
from pipeline.domain.state import State, version
from pipeline.domain.times import rfc3339

_OUTCOME = {"Captured": CaptureOutcome.CAPTURED, "Error": CaptureOutcome.ERROR}


def invoice_view(key: InvoiceKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> InvoiceView:
    """The invoice as its facts tell it, and its order if that was looked up: its events name none.

    Raises ``ValueError`` if the state is empty.
    """
    answer = state.answer
    past = history(state, repeat_window)
    found: list[Conflict] = []
    captures = [fact for fact, _ in state.facts if isinstance(fact, InvoiceCapture)]
    outcomes = {_OUTCOME[fact.state] for fact in captures}
    outcome = CaptureOutcome.CAPTURED if CaptureOutcome.CAPTURED in outcomes else CaptureOutcome.ERROR
    report("outcome", outcomes, outcome, found)
    applications = {fact.application_id for fact in captures}
    application_id = settle("application_id", applications, ((0, number) for number in applications), found)
    assert application_id is not None  # noqa: S101  a state that is not empty holds a capture
    return InvoiceView(
        client_id=key.client_id,
        captured_invoice_id=key.captured_invoice_id,
        application_id=application_id,
        order_key=answer.said.order_key if answer is not None and isinstance(answer.said, InvoiceLookedUp) else None,
        outcome=outcome,
        conflicts=tuple(found),
        timeline=past.timeline,
        timeline_omitted=past.timeline_omitted,
        first_received_at=past.first_received_at,
        last_changed_at=past.last_changed_at,
        version=version(state),
        looked_up_at=None if answer is None else rfc3339(answer.at),
        lookup_number=0 if answer is None else answer.said.number,
    )
