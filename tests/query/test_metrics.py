"""What each process tells Prometheus is what the catalogue says of it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics_catalogue, topics
from tests.pipeline.system import System
from tests.support.kafka import read_all, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

PROCESSES = {
    "webhook": "webhook",
    "worker": "worker",
    "sink connect": "sinks",
    "sink checkout": "sinks",
    "lookup": "lookup",
    "privacy": "privacy",
    "console": "console",
}
"""The processes of a run by the catalogue's word for them."""


async def told(system: System, process: str) -> dict[str, set[str]]:
    """The names of a process's metrics in queries, with the labels that their series have."""
    text = (await system.client.get(f"{system.stack.url(process)}/metrics")).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("norce_") and not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = {label for sample in family.samples for label in sample.labels}
    return found


@pytest.mark.parametrize("process", PROCESSES)
async def test_a_process_tells_every_metric_that_the_catalogue_says_and_no_other(system: System, process: str) -> None:
    described = {
        metric.name: set(metric.labels)
        for metric in metrics_catalogue.catalogue()
        if PROCESSES[process] in metric.processes.split(", ")
    }
    found = await told(system, process)
    assert set(found) == set(described)
    assert {name: labels for name, labels in found.items() if labels and labels != described[name]} == {}


async def test_the_console_tells_what_waits_in_quarantine(system: System) -> None:
    """The run's unusable bodies; a test beside this one may have retried some."""
    put_aside = len(await read_all(system.servers, topics.QUARANTINE))

    async def waiting() -> float:
        text = (await system.client.get(f"{system.stack.url('console')}/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return sum(sample.value for sample in families["norce_quarantine_waiting"].samples)

    assert 0 < await until(waiting, bool, tries=450) <= put_aside
