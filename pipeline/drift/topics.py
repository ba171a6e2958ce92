"""The drift watch's topic and table."""

from __future__ import annotations

from pipeline.topics import Cleanup, TopicSpec

DRIFT = "norce.drift"

#: The tables of the process; their changelog topics are named after its consumer group.
DRIFT_TABLES = ("windows",)

DRIFT_TOPICS = (
    TopicSpec(
        name=DRIFT,
        purpose="what Norce sends and the event models do not document: one report per event type and shape",
        key="event type:digest of the shape",
        value="drift report, JSON: names and types of fields, never a value",
        cleanup=Cleanup.COMPACT,
        retention=None,
    ),
)
