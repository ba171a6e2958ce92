"""Sinks: derived updates to calls of Norce."""
