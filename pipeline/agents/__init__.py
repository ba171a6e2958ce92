"""The order worker: events in, tables, enriched orders and updates out."""

from pipeline.agents.app import make_worker

__all__ = ["make_worker"]
