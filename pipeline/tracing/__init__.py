"""Traces: what is done for one event, from the webhook's request to the call to Norce.

Off unless the settings name a collector. While off, nothing is made or read: headers that came in stay unread, and no
record carries any. While on, W3C Trace Context travels in the headers of requests and records.
"""

from pipeline.tracing.spans import (
    NO_SPAN,
    Headers,
    apart,
    below,
    carried,
    context_of,
    current,
    failed,
    ids,
    is_on,
    left_out,
    parent_in,
    span,
    start,
    to_norce,
    with_context,
)
from pipeline.tracing.switch import configure

__all__ = [
    "NO_SPAN",
    "Headers",
    "apart",
    "below",
    "carried",
    "configure",
    "context_of",
    "current",
    "failed",
    "ids",
    "is_on",
    "left_out",
    "parent_in",
    "span",
    "start",
    "to_norce",
    "with_context",
]
