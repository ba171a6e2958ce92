"""No secret ever comes out: not in a log at its most talkative, an error, a crash, a metric, a record, nor on disk."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from pipeline import cli
from pipeline.run.stack import PROCESSES
from pipeline.settings import GROUPS, SettingsError, load
from pipeline.settings_report import all_topics
from tests.pipeline import planted
from tests.pipeline.guarded import guarded_cluster
from tests.pipeline.system import System
from tests.support.kafka import each_record, until
from tests.support.processes import Process

USERS = {
    "NORCE_KAFKA_SASL_PASSWORD": "norce-worker",
    "NORCE_CONNECT_CLIENT_SECRET": "simulator",
    "NORCE_LOOKUP_CLIENT_SECRET": "simulator",
    "NORCE_RECONCILE_CLIENT_SECRET": "simulator",
    "NORCE_SCHEMA_REGISTRY_PASSWORD": "registrar",
}


def hits(needles: dict[bytes, str], content: bytes) -> set[str]:
    """The variables whose values are in there."""
    return {variable for needle, variable in needles.items() if needle in content}


def test_every_kind_of_secret_is_planted_and_would_be_found() -> None:
    secrets = planted.environment()
    needles = planted.needles(secrets, USERS)

    assert {"NORCE_WEBHOOK_SECRETS", "NORCE_KAFKA_SASL_PASSWORD", "NORCE_PRIVACY_ENCRYPTION_KEYS"} <= set(secrets)
    assert len(secrets) >= 12
    for variable, value in secrets.items():
        assert hits(needles, value.encode()) >= {variable}


@pytest.mark.parametrize("words", [["settings"], ["settings", "--json"]])
def test_the_table_of_settings_hides_every_secret(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = planted.environment()
    for variable, value in secrets.items():
        monkeypatch.setenv(variable, value)

    done = CliRunner().invoke(cli.app, words)

    assert done.exit_code == 0
    assert done.output.count("***") == len(secrets)
    assert planted.MARK not in done.output


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
@pytest.mark.parametrize("broken", ["{", "[1", '{"p1": 1}', '{"p1": "no base64"}', ""], ids=repr)
def test_the_error_about_a_secret_does_not_tell_it(
    group: type[object], broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in planted.environment():
        monkeypatch.setenv(variable, f"{broken}{planted.MARK}{broken}")
    monkeypatch.setenv("NORCE_CONNECT_BASE_URL", f"https://user:{planted.MARK}@127.0.0.1/")
    monkeypatch.setenv("NORCE_SCHEMA_REGISTRY_URL", f"https://user:{planted.MARK}@127.0.0.1")
    said = ""
    try:
        load(group)  # type: ignore[type-var]
    except SettingsError as error:
        said = f"{error} {error!r} {error.problems} {error.__cause__!r}"
    assert planted.MARK not in said


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_that_the_processes_write_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.run.stack.READY_SECONDS", 200.0)
    secrets = planted.environment()
    secrets["NORCE_SIMULATOR_WEBHOOK_SECRET"] = secrets["NORCE_WEBHOOK_SECRETS"].split(",")[1]
    secrets["NORCE_SIMULATOR_CLIENT_SECRET"] = secrets["NORCE_CONNECT_CLIENT_SECRET"]  # that of the look-ups is refused
    secrets["NORCE_SIMULATOR_CHECKOUT_TOKENS"] = secrets["NORCE_CHECKOUT_SECONDARY_TOKEN"]  # the primary one is refused
    folder = tmp_path / "run"
    folder.mkdir()
    async with guarded_cluster(tmp_path) as guarded, httpx.AsyncClient(timeout=10.0) as client:
        user = "norce-worker"
        guarded.grant_everything(user)
        given = {"NORCE_SIMULATOR_ORDERS": 20, "NORCE_LOG_LEVEL": "debug", "PYTHONFAULTHANDLER": "1", **secrets}
        system = await System.make(guarded.cluster, folder, client, given)
        system.stack.environment |= guarded.environment("worker", "password")
        guarded.let_in(user, secrets["NORCE_KAFKA_SASL_PASSWORD"])
        system.stack.environment["NORCE_KAFKA_SASL_PASSWORD"] = secrets["NORCE_KAFKA_SASL_PASSWORD"]
        try:
            for name in reversed(tuple(PROCESSES)):
                await system.start(name)
            await until(system.norce, _refused_somebody, tries=600)
            await until(lambda: system.calls("checkout"), lambda calls: any(call["status"] == 200 for call in calls))
            seen = await _asked(system)
            seen |= await _mistakes(system, folder, secrets)
            await _crashes(system)
        finally:
            await system.stack.stop()
        seen |= await _records(guarded.cluster.bootstrap_servers)
    seen |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert b"debug" in seen[str(folder / "webhook.log")]
    assert len(seen["norce.events.order"]) > 1000
    needles = planted.needles(secrets, USERS)
    assert {name: found for name, content in seen.items() if (found := hits(needles, content))} == {}


def _refused_somebody(norce: Mapping[str, Any]) -> bool:
    return any(answer.startswith("4") for answer in norce["calls"].get("identity", {}))


async def _asked(system: System) -> dict[str, bytes]:
    """What everybody who reaches a port is told."""
    seen: dict[str, bytes] = {}
    for name in PROCESSES:
        for path in ("/metrics", "/readyz", "/livez", "/openapi.json", "/simulator/state"):
            try:
                seen[name + path] = (await system.client.get(system.stack.url(name) + path)).content
            except httpx.TransportError:
                assert name == "lookup", f"{name} {system.stack.processes[name].log_tail()}"
    wrong = {"x-norce-secret": f"x{system.stack.environment['NORCE_WEBHOOK_SECRETS']}"}
    refused = await system.client.post(f"{system.stack.url('webhook')}/webhooks/norce/X", headers=wrong)
    assert refused.status_code == 401
    return seen | {"401": refused.content}


async def _mistakes(system: System, folder: Path, secrets: Mapping[str, str]) -> dict[str, bytes]:
    """What somebody is told who got something wrong."""
    environment = system.stack.environment
    sweep = {
        f"NORCE_RECONCILE_{name}": environment[f"NORCE_LOOKUP_{name}"]
        for name in ("QUERY_URL", "TOKEN_URL", "CLIENT_ID", "SCOPE")
    }
    sweep["NORCE_RECONCILE_APPLICATIONS"] = "103:1032"
    nowhere = "http://127.0.0.1:1"
    tries: list[tuple[str, dict[str, str], int, str]] = [
        ("worker", {"NORCE_KAFKA_SASL_PASSWORD": secrets["NORCE_CHECKOUT_TOKEN"]}, 3, "CredentialsRefused"),
        ("audit", {"NORCE_KAFKA_SASL_PASSWORD": secrets["NORCE_CHECKOUT_TOKEN"]}, 3, "CredentialsRefused"),
        (
            "worker",
            {"NORCE_SCHEMA_REGISTRY_URL": nowhere, "NORCE_SCHEMA_REGISTRY_USERNAME": "registrar"},
            3,
            "RegistryUnreachable",
        ),
        ("reconcile", sweep, 1, "not finished"),
        ("settings --json", {}, 0, "***"),
    ]
    seen: dict[str, bytes] = {}
    for number, (words, changes, code, said) in enumerate(tries):
        log = folder / f"mistake-{number}.log"
        program = Process("-m", "pipeline.cli", *words.split(), log=log, environment={**environment, **changes})
        assert await asyncio.to_thread(program.start().wait, 180) == code, program.output[-3000:]
        assert said in program.output
        seen[f"{words} {number}"] = program.output.encode()
    return seen


async def _crashes(system: System) -> None:
    """Every process leaves its stacks behind; that of the look-ups may have ended, since its secret was refused."""
    for name, process in system.stack.processes.items():
        if name == "lookup":
            await process.kill()
            continue
        process.send(signal.SIGABRT)
        await process.wait()
        assert "Fatal Python error: Aborted" in process.log.read_text(errors="replace"), name


async def _records(bootstrap_servers: str) -> dict[str, bytes]:
    """All that is on the topics."""
    seen: dict[str, bytes] = {}
    for spec in all_topics():
        parts: list[bytes] = []
        async for record in each_record(bootstrap_servers, spec.name):
            parts += [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
        seen[spec.name] = b"\n".join(parts)
    return seen
