"""The worker: events in; tables, enriched records, updates and alerts out."""

from pipeline.agents.app import make_worker

__all__ = ["make_worker"]
