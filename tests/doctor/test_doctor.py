"""``norce-pipeline doctor`` against a real broker and a simulated Norce on sockets; each trouble is made once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.doctor.checks import PROCESSES
from pipeline.doctor.cli import NAMES
from tests.pipeline.system import System
from tests.support.commands import run_command
from tests.support.kafka import configure_topic

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = ("worker", "sink-connect", "sink-checkout", "lookup")
OFTEN_ENOUGH = {"NORCE_SIMULATOR_TOKEN_LIMIT": "1000"}


@dataclass
class Told:
    """What the command came to."""

    code: int
    findings: list[dict[str, str]]
    text: str

    def of(self, check: str, process: str = "") -> list[tuple[str, str]]:
        """Verdict and text of a check."""
        return [(f["verdict"], f["says"]) for f in self.findings if (f["check"], f["process"]) == (check, process)]

    @property
    def wrong(self) -> list[tuple[str, str]]:
        return [(f["check"], f["process"]) for f in self.findings if f["verdict"] == "wrong"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A broker with its topics, and Norce."""
    async with KafkaCluster() as broker, httpx.AsyncClient(timeout=10.0) as client:
        settings = {"NORCE_SIMULATOR_ORDERS": 0}
        made = await System.make(broker, tmp_path_factory.mktemp("system"), client, settings)
        try:
            await made.start("simulator")
            yield made
        finally:
            await made.stack.stop()


async def doctor(system: System, *processes: str, **environment: str) -> Told:
    options = [option for name in processes for option in ("--for", name)]
    words = ["doctor", "--json", *options]
    done = await asyncio.to_thread(run_command, words, {**system.stack.environment, **environment})
    findings = json.loads(done.stdout) if done.stdout else []
    assert all(f["do"] for f in findings if f["verdict"] in ("wrong", "warning")), "it says what helps"
    return Told(done.returncode, findings, done.stderr)


async def test_where_all_is_well_nothing_is_wrong(system: System) -> None:
    told = await doctor(system, *EVERYTHING)
    assert (told.code, told.wrong) == (0, [])
    (found,) = told.of("topics")
    assert found[0] == "ok"
    for name in EVERYTHING:
        assert told.of("settings", name) == [("ok", "complete")]
        assert told.of("rights", name)[0][0] == "ok"
        assert told.of("disk", name)[0][0] in ("ok", "warning")
    for name in EVERYTHING[1:]:
        assert told.of("token", name)[0][0] == "ok"
        assert {verdict for verdict, _ in told.of("reachable", name)} == {"ok"}


TROUBLES: Mapping[str, tuple[str, dict[str, str], tuple[str, str], str]] = {
    "a missing setting": (
        "sink-connect",
        {"NORCE_CONNECT_CLIENT_ID": ""},
        ("settings", "sink-connect"),
        "NORCE_CONNECT_CLIENT_ID is not set",
    ),
    "no broker": ("worker", {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, ("broker", ""), "BrokerUnreachable"),
    "another partition count": ("worker", {"NORCE_KAFKA_PARTITIONS": "7"}, ("topics", ""), "wrong partition count"),
    "topics of another group": ("worker", {"NORCE_WORKER_GROUP": "norce-other"}, ("topics", ""), "are missing"),
    "a wrong client secret": (
        "lookup",
        {"NORCE_LOOKUP_CLIENT_SECRET": "wrong"},
        ("token", "lookup"),
        "TokenRefused",
    ),
    "a wrong Checkout token": (
        "sink-checkout",
        {"NORCE_CHECKOUT_TOKEN": "wrong", "NORCE_CHECKOUT_SECONDARY_TOKEN": ""},
        ("token", "sink-checkout"),
        "Unauthorized",
    ),
    "Norce out of reach": (
        "lookup",
        {"NORCE_LOOKUP_QUERY_URL": "http://127.0.0.1:9/query"},
        ("reachable", "lookup"),
        "ConnectError",
    ),
    "a folder that is a file": (
        "drift",
        {"NORCE_DRIFT_DATA_DIR": "{file}/state"},
        ("disk", "drift"),
        "cannot be written",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_each_trouble_is_named_with_what_to_do(system: System, tmp_path: Path, trouble: str) -> None:
    process, environment, where, says = TROUBLES[trouble]
    (tmp_path / "file").touch()
    environment = {name: value.format(file=tmp_path / "file") for name, value in environment.items()}
    told = await doctor(system, process, **environment)
    assert (told.code, told.wrong) == (1, [where])
    assert says in " ".join(text for verdict, text in told.of(*where) if verdict == "wrong")


async def test_what_could_not_be_looked_at_is_not_called_right(system: System) -> None:
    told = await doctor(system, "worker", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert told.of("rights", "worker") == [("skipped", "no broker was asked")]


async def test_a_topic_that_is_configured_otherwise_is_a_warning(system: System) -> None:
    altered = {"retention.ms": "1000"}
    await configure_topic(system.servers, topics.UPDATES, altered)
    try:
        told = await doctor(system, "worker")
    finally:
        await configure_topic(system.servers, topics.UPDATES, {"retention.ms": str(30 * 24 * 3600 * 1000)})
    assert told.code == 0
    ((verdict, says),) = told.of("topics")
    assert (verdict, topics.UPDATES in says) == ("warning", True)


async def test_without_a_name_the_processes_that_are_set_up_are_looked_at(system: System) -> None:
    kept = {name: value for name, value in system.stack.environment.items() if not name.startswith("NORCE_LOOKUP_")}
    done = await asyncio.to_thread(run_command, ["doctor", "--json"], kept)
    looked_at = {finding["process"] for finding in json.loads(done.stdout)}
    assert "lookup" not in looked_at
    assert {"webhook", "worker", "sink-connect"} <= looked_at


async def test_an_unknown_process_is_named_and_the_help_knows_all(system: System) -> None:
    told = await doctor(system, "wroker")
    assert (told.code, "there is no process wroker" in told.text) == (2, True)
    assert NAMES.split(", ") == list(PROCESSES)
