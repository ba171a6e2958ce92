"""The drift watch: what Norce sends and the event models do not document is reported once per shape.

The core (``shapes``, ``documented``, ``deviations``, ``windows``, ``suggestions``, ``reports``) compares bodies with
the event models; ``watch``, ``reported`` and ``app`` put it on Kafka. Events pass by untouched: the watch reads the raw
topics in a consumer group of its own. ``pipeline.drift.app`` has the process.
"""

from pipeline.drift.topics import DRIFT, DRIFT_TABLES, DRIFT_TOPICS

__all__ = ["DRIFT", "DRIFT_TABLES", "DRIFT_TOPICS"]
