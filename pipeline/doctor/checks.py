"""The checks. Each ends after a time, and none ends because another one failed."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from connectors.checkout import CheckoutClient
from connectors.norce import NorceError
from connectors.norce.clock import SystemClock
from connectors.norce.identity import ClientCredentials
from connectors.norce.metrics import default_metrics
from connectors.norce.patience import Patience
from connectors.norce.transport import Transport
from pipeline import rights, settings_report, topic_configuration, topics
from pipeline.connecting import BrokerError, RightMissing
from pipeline.doctor.findings import Finding, ok, skipped, warning, wrong
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    ConsoleSettings,
    DriftSettings,
    KafkaSettings,
    LookupSettings,
    PrivacySettings,
    ReconcileSettings,
    SettingsError,
    SettingsGroup,
    WebhookSettings,
    WorkerSettings,
    load,
)

PROCESSES: Mapping[str, type[SettingsGroup]] = {
    "webhook": WebhookSettings,
    "worker": WorkerSettings,
    "sink-connect": ConnectSettings,
    "sink-checkout": CheckoutSettings,
    "lookup": LookupSettings,
    "drift": DriftSettings,
    "privacy": PrivacySettings,
    "reconcile": ReconcileSettings,
    "console": ConsoleSettings,
}
"""Processes by the name of their Kafka user."""

SECONDS = 20.0
"""Seconds that one check may take."""
CLOCK_WARNING, CLOCK_WRONG = 5.0, 60.0
"""Seconds that Norce's clock and ours may differ. A token's life and the age of events are told by ours."""
FREE_WARNING = 1024**3
"""Bytes that should be free where state is kept."""


@dataclass(frozen=True)
class Patient:
    """The process that is looked at, with its settings."""

    name: str
    settings: Any


def settings(names: Sequence[str]) -> tuple[list[Finding], KafkaSettings | None, list[Patient]]:
    """Read the settings of processes. Without names: of those of which anything is set."""
    findings: list[Finding] = []
    kafka: KafkaSettings | None = None
    help_ = "'norce-pipeline settings' shows all of them with their meaning"
    try:
        (kafka,) = load(KafkaSettings)
        findings.append(ok("settings", "", f"Kafka at {kafka.bootstrap_servers}, {kafka.partitions} partitions"))
    except SettingsError as error:
        findings.append(wrong("settings", "", _problems(error), help_))
    patients = []
    for name in names or [name for name in PROCESSES if _is_set_up(PROCESSES[name])]:
        try:
            (found,) = load(PROCESSES[name])
        except SettingsError as error:
            findings.append(wrong("settings", name, _problems(error), help_))
        else:
            findings.append(ok("settings", name, "complete"))
            patients.append(Patient(name, found))
    return findings, kafka, patients


def _problems(error: SettingsError) -> str:
    return "; ".join(f"{variable} {problem}" for variable, problem in error.problems)


def _is_set_up(group: type[SettingsGroup]) -> bool:
    """Whether the environment says anything about it, or it needs nothing said."""
    given = any(settings_report.found(group, name)[0] not in ("default", "not set") for name in group.model_fields)
    return given or not any(info.is_required() for info in group.model_fields.values())


# -- Kafka -----------------------------------------------------------------------------------------------------------


async def broker(kafka: KafkaSettings) -> tuple[list[Finding], bool]:
    """Whether a broker answers, and the topics are as they have to be."""
    try:
        async with asyncio.timeout(SECONDS):
            counts = await topics.partition_counts(kafka)
    except (BrokerError, TimeoutError) as error:
        do = "check KAFKA_BOOTSTRAP_SERVERS, NORCE_KAFKA_TLS_... and NORCE_KAFKA_SASL_..., and the network between"
        return [wrong("broker", "", error, do)], False
    return [ok("broker", "", f"{kafka.bootstrap_servers} answers"), *await _topics(kafka, counts)], True


async def _topics(kafka: KafkaSettings, counts: Mapping[str, int]) -> list[Finding]:
    specs = settings_report.all_topics()
    missing = [spec.name for spec in specs if spec.name not in counts]
    strange = [
        f"{spec.name} has {counts[spec.name]}"
        for spec in specs
        if spec.name in counts and counts[spec.name] != kafka.partitions
    ]
    if missing:
        do = "'norce-pipeline topics create' makes them; a user that may not see a topic sees none"
        return [wrong("topics", "", f"{len(missing)} of {len(specs)} are missing: {', '.join(missing[:5])}", do)]
    if strange:
        do = f"NORCE_KAFKA_PARTITIONS says {kafka.partitions}: set it to what the topics have; keys depend on it"
        return [wrong("topics", "", f"wrong partition count: {', '.join(strange[:5])}", do)]
    try:
        async with asyncio.timeout(SECONDS):
            differing = await topic_configuration.differences(kafka, specs)
    except Exception as error:  # a user that may not see configurations is no trouble of a process
        return [
            ok("topics", "", f"all {len(specs)} are there"),
            skipped("topics", "", f"configuration not seen: {error}"),
        ]
    if differing:
        do = "'norce-pipeline topics create --update' alters that"
        said = "; ".join(str(difference) for difference in differing[:3])
        return [warning("topics", "", f"{len(differing)} differ: {said}", do)]
    return [ok("topics", "", f"all {len(specs)} are there, with retention and clean-up as they have to be")]


async def may(kafka: KafkaSettings, patient: Patient) -> list[Finding]:
    """Whether this user has the rights of a process."""
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(rights.confirm, kafka, patient.name)
    except RightMissing as error:
        return [wrong("rights", patient.name, error, "'norce-pipeline topics export --users' prints all it needs")]
    except (BrokerError, TimeoutError) as error:
        return [wrong("rights", patient.name, error, "the broker did not say in time; try again")]
    return [ok("rights", patient.name, "this user has all it needs, as far as the broker says")]


# -- Norce -----------------------------------------------------------------------------------------------------------


async def norce(patient: Patient) -> list[Finding]:
    """Whether the APIs that a process calls can be reached, what their clock says, and whether they take its token."""
    found: list[Finding] = []
    async with httpx.AsyncClient(timeout=SECONDS / 2) as client:
        for name in ("token_url", "base_url", "query_url", "checkout_url"):
            url = getattr(patient.settings, name, None)
            if url is not None:
                found += await _reached(client, patient, name, url)
    if hasattr(patient.settings, "token_url"):
        found.append(await _token(patient))
    if isinstance(patient.settings, CheckoutSettings):
        found.append(await _checkout(patient, patient.settings))
    return found


async def _reached(client: httpx.AsyncClient, patient: Patient, name: str, url: str) -> list[Finding]:
    variable = patient.settings.variable(name)
    try:
        answer = await client.get(url)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        do = f"check {variable}, names and the way out of this network"
        return [wrong("reachable", patient.name, f"{url}: {type(error).__name__} {error}".strip(), do)]
    return [ok("reachable", patient.name, f"{url} answers"), *_clock(patient, url, answer)]


def _clock(patient: Patient, url: str, answer: httpx.Response) -> list[Finding]:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return []
    off = time.time() - theirs
    # The header has whole seconds.
    if abs(off) - 1 > CLOCK_WRONG:
        return [wrong("clock", patient.name, f"{off:+.0f} s against {url}", "set this machine's clock, by NTP")]
    if abs(off) - 1 > CLOCK_WARNING:
        return [warning("clock", patient.name, f"{off:+.0f} s against {url}", "set this machine's clock, by NTP")]
    return []


async def _token(patient: Patient) -> Finding:
    """Identity allows three requests a minute (Norce docs), so this is one of them."""
    given = patient.settings
    credentials = ClientCredentials(
        given.token_url,
        given.client_id,
        given.client_secret.get_secret_value().strip(),
        given.scope,
        transport=Transport(SECONDS / 2),
        clock=SystemClock(),
        uniform=random.uniform,
        metrics=default_metrics(),
    )
    try:
        async with asyncio.timeout(SECONDS):
            await credentials.token()
    except (NorceError, TimeoutError) as error:
        variables = ", ".join(given.variable(name) for name in ("client_id", "client_secret", "scope"))
        return wrong("token", patient.name, error, f"check {variables} against Norce's Identity")
    finally:
        await credentials.close()
    return ok("token", patient.name, f"Identity gives one for the scope {given.scope}")


async def _checkout(patient: Patient, given: CheckoutSettings) -> Finding:
    channel = next(iter(given.channels.values()))
    try:
        async with asyncio.timeout(SECONDS), CheckoutClient(given) as client:
            await client.find_order(channel, "0", patience=Patience(SECONDS / 2))
    except (NorceError, TimeoutError) as error:
        variables = f"{given.variable('token')} and {given.variable('channels')}"
        return wrong("token", patient.name, error, f"check {variables} against Norce Checkout")
    return ok("token", patient.name, "Checkout takes it")


# -- this machine ----------------------------------------------------------------------------------------------------


def disk(patient: Patient) -> list[Finding]:
    """Whether there is room, and a right to write, where a process keeps state."""
    folder: Path | None = getattr(patient.settings, "data_dir", None)
    if folder is None:
        return []
    variable = patient.settings.variable("data_dir")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return [wrong("disk", patient.name, f"{there} cannot be written to", f"let this user write to {variable}")]
    free = shutil.disk_usage(there).free
    says = f"{folder}: {free / 1024**3:.1f} GiB free"
    if free < FREE_WARNING:
        return [warning("disk", patient.name, says, f"make room, or point {variable} elsewhere")]
    return [ok("disk", patient.name, says)]


Report = Callable[[str], None]


async def examine(names: Sequence[str], report: Report) -> list[Finding]:
    """Every check of these processes; ``report`` hears what is being looked at."""
    report("settings")
    found, kafka, patients = settings(names)
    for patient in patients:
        found += disk(patient)
    answered = False
    if kafka is not None:
        report(f"Kafka at {kafka.bootstrap_servers}")
        about, answered = await broker(kafka)
        found += about
    report("rights")
    if kafka is not None and answered:
        found += await _each("rights", patients, lambda patient: may(kafka, patient))
    else:
        found += [skipped("rights", patient.name, "no broker was asked") for patient in patients]
    report("Norce")
    return found + await _each("Norce", patients, norce)


async def _each(
    check: str, patients: Sequence[Patient], look: Callable[[Patient], Awaitable[list[Finding]]]
) -> list[Finding]:
    """A check of every process at once. An error that nobody thought of is a finding too, and ends no other check."""
    found: list[Finding] = []
    answers = await asyncio.gather(*map(look, patients), return_exceptions=True)
    for patient, answer in zip(patients, answers, strict=True):
        if isinstance(answer, BaseException):
            found.append(wrong(check, patient.name, answer, "the check itself failed; the error says where"))
        else:
            found += answer
    return found
