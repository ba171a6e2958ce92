"""Switching traces on for a process. OpenTelemetry's SDK is loaded only then."""

from __future__ import annotations

from pipeline.settings import TracingSettings
from pipeline.tracing.spans import switch


def configure(settings: TracingSettings, service: str) -> None:
    """Trace from now on, if the settings say so. ``service`` is the process's name where they give none."""
    if not settings.on:
        return
    from pipeline.tracing.export import make_tracer

    switch.tracer = make_tracer(settings, service)
    switch.follows = settings.sampler.startswith("parentbased_")
    switch.send_to_norce = settings.send_to_norce
