"""Alerts: what somebody should look at, as a function of a view, a policy and the time.

``conditions(view, policy)`` says what is wrong with a thing and from when to when; ``active`` picks what is open at
one moment; ``review`` compares that with what was open before and says which records are to be published and when time
alone will change something.
"""

from __future__ import annotations

from pipeline.domain.alerts.catalogue import CATALOGUE, DEFAULT_ALERTS, AlertKind, AlertPolicy, Severity
from pipeline.domain.alerts.conditions import Condition, active, conditions
from pipeline.domain.alerts.records import Alert, AlertState, ClosedBy, Closing
from pipeline.domain.alerts.review import (
    Recorded,
    Review,
    alert_id,
    decode_recorded,
    encode_alert,
    encode_recorded,
    review,
)

__all__ = [
    "CATALOGUE",
    "DEFAULT_ALERTS",
    "Alert",
    "AlertKind",
    "AlertPolicy",
    "AlertState",
    "ClosedBy",
    "Closing",
    "Condition",
    "Recorded",
    "Review",
    "Severity",
    "active",
    "alert_id",
    "conditions",
    "decode_recorded",
    "encode_alert",
    "encode_recorded",
    "review",
]
