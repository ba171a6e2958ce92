"""The processes of a local run and the settings they get."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import httpx

from connectors.simulator import applications, checkout_channels
from pipeline import topics
from pipeline.audit.course import Groups
from pipeline.broker import Broker
from pipeline.broker.process import Process
from pipeline.drift import DRIFT_TABLES, DRIFT_TOPICS
from pipeline.listening import listen
from pipeline.privacy import PRIVACY_TOPICS
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    ConsoleSettings,
    DriftSettings,
    KafkaSettings,
    LookupSettings,
    PrivacySettings,
    SettingsGroup,
    SimulatorSettings,
    WebhookSettings,
    WorkerSettings,
)

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
PARTITIONS = 4
"""Partitions of a local run: enough to show that order is kept per key and not over all."""

#: The processes by the words of their command, in the direction of the stream.
PROCESSES: Mapping[str, type[SettingsGroup]] = {
    "simulator": SimulatorSettings,
    "webhook": WebhookSettings,
    "worker": WorkerSettings,
    "sink connect": ConnectSettings,
    "sink checkout": CheckoutSettings,
    "lookup": LookupSettings,
    "drift": DriftSettings,
    "privacy": PrivacySettings,
    "console": ConsoleSettings,
}

STREAM = ("webhook", "worker", "sink connect", "sink checkout")
"""The processes on an event's way from Norce to Norce."""

BESIDE = ("lookup", "drift", "privacy", "console")
"""The processes that the way of an event does not wait for."""

NOT_STAGES = ("simulator", "worker", "console")
"""Processes that the console does not list as a stage of its own."""

#: The pace of the scenario. The retry schedule runs 60 times as fast, so that a retry does not take minutes.
SCENARIO: Mapping[str, str] = {
    "NORCE_SIMULATOR_ORDERS": "200",
    "NORCE_SIMULATOR_RATE": "100",
    "NORCE_SIMULATOR_TIME_SCALE": "60",
    "NORCE_SIMULATOR_DUPLICATES": "0.05",
    "NORCE_SIMULATOR_REORDERING": "0.1",
    "NORCE_SIMULATOR_BAD": "0.03",
    "NORCE_SIMULATOR_FAILURES": "0.02",
    "NORCE_SIMULATOR_LATENCY": "0.005",
    # The simulated APIs have no rate limit of their own; at the cautious rates for Norce the run would take minutes.
    "NORCE_CONNECT_RATE": "200",
    "NORCE_CONNECT_QUERY_RATE": "200",
    "NORCE_CONNECT_CONCURRENCY": "16",
    "NORCE_CHECKOUT_RATE": "200",
    "NORCE_CHECKOUT_CONCURRENCY": "16",
    "NORCE_LOOKUP_RATE": "200",
    "NORCE_LOOKUP_CONCURRENCY": "16",
    "NORCE_LOOKUP_BACKOFF_INITIAL": "0.1",
    "NORCE_CONNECT_BACKOFF_INITIAL": "0.1",
    "NORCE_CHECKOUT_BACKOFF_INITIAL": "0.1",
}


class StartFailed(Exception):
    """A process of the run ended or did not become ready; ``log`` is where its output is."""

    def __init__(self, name: str, log: Path, tail: str) -> None:
        self.name, self.log = name, log
        super().__init__(f"{name} did not start; its log ({log}) ends with:\n{tail}")


@dataclass
class Stack:
    """The pipeline's processes around one broker."""

    broker: Broker
    folder: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    console_token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def __post_init__(self) -> None:
        self.ports = {name: self._port(group) for name, group in PROCESSES.items()}
        self.environment = {**os.environ, **self._settings(), **_given(SCENARIO), **self.overrides}

    @property
    def kafka(self) -> KafkaSettings:
        """The broker as the processes see it."""
        replicas = self.broker.replicas or 1
        return KafkaSettings.model_validate(
            {
                "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
                "partitions": self.broker.topic_partitions or PARTITIONS,
                "replication_factor": replicas,
                "min_insync_replicas": min(2, replicas),
            }
        )

    @property
    def groups(self) -> Groups:
        """The consumer groups of the worker and the sinks."""
        return Groups(*(self._group(group) for group in (WorkerSettings, ConnectSettings, CheckoutSettings)))

    def url(self, name: str) -> str:
        """Where a process answers."""
        return f"http://{HOST}:{self.ports[name]}"

    def check_ports(self) -> None:
        """Raises ``PortUnavailable`` for the first port that another process has."""
        for port in self.ports.values():
            listen(HOST, port).close()

    async def create_topics(self) -> None:
        """Make the topics, or let them appear where the broker knows no other way."""
        specs = topics.catalogue(
            (self._group(WorkerSettings), topics.WORKER_TABLES),
            (self._group(ConnectSettings), topics.SINK_TABLES),
            (self._group(CheckoutSettings), topics.SINK_TABLES),
            (self._group(DriftSettings), DRIFT_TABLES),
            (self._group(LookupSettings), topics.LOOKUP_TABLES),
        )
        specs += [*DRIFT_TOPICS, *PRIVACY_TOPICS]
        if self.broker.topic_partitions is not None:
            await topics.touch(self.kafka, specs)
        else:
            await topics.create(self.kafka, specs)

    def write_environment(self) -> Path:
        """A file for a shell to read, after which every command is about this run. It holds the run's secrets."""
        ports = {group.variable("port"): str(self.ports[name]) for name, group in PROCESSES.items()}
        path = self.folder / "environment"
        path.touch(mode=0o600)
        settings = {name: self.environment[name] for name in self._settings()} | ports
        path.write_text("".join(f"export {name}={quote(value)}\n" for name, value in settings.items()))
        return path

    async def start(self, *names: str, ready: Callable[[str], None] = lambda name: None) -> None:
        """Start processes by the words of their command, and wait until each is ready, which ``ready`` is told.

        Raises:
            StartFailed: with the end of the process's log.
        """
        for name in names:
            log = self.folder / f"{name.replace(' ', '-')}.log"
            command = [sys.executable, "-m", "pipeline.cli", *name.split()]
            self.processes[name] = Process(command, log, environment=self.environment)
        async with httpx.AsyncClient(timeout=2.0) as client:
            for name in names:
                await self._until_ready(client, name)
                ready(name)

    async def stop(self) -> None:
        """Stop in the direction of the stream, Norce last: sinks end their calls, and it takes them."""
        for names in (("webhook",), (*STREAM[1:], *BESIDE), ("simulator",)):
            running = [self.processes[name] for name in names if name in self.processes]
            await asyncio.gather(*(process.terminate(STOP_SECONDS) for process in running))

    def ended(self) -> str | None:
        """The name of a process that ended by itself."""
        return next((name for name, process in self.processes.items() if process.returncode is not None), None)

    async def _until_ready(self, client: httpx.AsyncClient, name: str) -> None:
        process = self.processes[name]
        path = "/simulator/state" if name == "simulator" else "/readyz"
        try:
            async with asyncio.timeout(READY_SECONDS):
                while process.returncode is None:
                    try:
                        if (await client.get(self.url(name) + path)).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        raise StartFailed(name, process.log, process.log_tail())

    def _port(self, settings: type[SettingsGroup]) -> int:
        variable = settings.variable("port")
        given = self.overrides.get(variable) or os.environ.get(variable)
        return int(given or settings.model_fields["port"].default)

    def _group(self, settings: type[SettingsGroup]) -> str:
        return self.environment.get(settings.variable("group"), str(settings.model_fields["group"].default))

    def _accounts(self) -> Path:
        """The accounts of the console: one, with every role, whose token nobody has had before."""
        path = self.folder / "console-accounts.json"
        digest = hashlib.sha256(self.console_token.encode()).hexdigest()
        path.write_text(json.dumps({"local": {"token_sha256": digest, "roles": ["operator", "privacy"]}}))
        return path

    def _settings(self) -> dict[str, str]:
        simulator = self.url("simulator")
        secret = secrets.token_urlsafe(16)
        kafka = self.kafka
        return {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "NORCE_KAFKA_PARTITIONS": str(kafka.partitions),
            "NORCE_KAFKA_REPLICATION_FACTOR": str(kafka.replication_factor),
            "NORCE_KAFKA_MIN_INSYNC_REPLICAS": str(kafka.min_insync_replicas),
            "NORCE_WEBHOOK_HOST": HOST,
            "NORCE_WEBHOOK_SECRETS": secret,
            "NORCE_WORKER_HOST": HOST,
            "NORCE_WORKER_DATA_DIR": str(self.folder / "worker"),
            "NORCE_CONNECT_HOST": HOST,
            "NORCE_CONNECT_DATA_DIR": str(self.folder / "sink-connect"),
            "NORCE_CONNECT_BASE_URL": f"{simulator}/commerce/connect/4.0",
            "NORCE_CONNECT_TOKEN_URL": f"{simulator}/identity/1.0/connect/token",
            "NORCE_CONNECT_QUERY_URL": f"{simulator}/commerce/query/3.0",
            "NORCE_CONNECT_CLIENT_ID": "simulator",
            "NORCE_CONNECT_CLIENT_SECRET": "simulator",
            "NORCE_CONNECT_SCOPE": "playground",
            "NORCE_CHECKOUT_HOST": HOST,
            "NORCE_CHECKOUT_DATA_DIR": str(self.folder / "sink-checkout"),
            "NORCE_CHECKOUT_BASE_URL": f"{simulator}/checkout/order/api/v1",
            "NORCE_CHECKOUT_TOKEN": "simulator-primary",
            "NORCE_CHECKOUT_SECONDARY_TOKEN": "simulator-secondary",
            "NORCE_CHECKOUT_CHANNELS": json.dumps(checkout_channels()),
            "NORCE_DRIFT_HOST": HOST,
            "NORCE_DRIFT_DATA_DIR": str(self.folder / "drift"),
            "NORCE_PRIVACY_HOST": HOST,
            "NORCE_PRIVACY_DATA_DIR": str(self.folder / "privacy"),
            "NORCE_PRIVACY_PSEUDONYM_KEYS": _fresh_key("p1"),
            "NORCE_PRIVACY_PSEUDONYM_KEY_ID": "p1",
            "NORCE_PRIVACY_RETIRED_PSEUDONYM_KEYS": "",
            "NORCE_PRIVACY_ENCRYPTION_KEYS": _fresh_key("k1"),
            "NORCE_PRIVACY_ENCRYPTION_KEY_ID": "k1",
            "NORCE_LOOKUP_HOST": HOST,
            "NORCE_LOOKUP_DATA_DIR": str(self.folder / "lookup"),
            "NORCE_LOOKUP_QUERY_URL": f"{simulator}/commerce/query/3.0",
            "NORCE_LOOKUP_TOKEN_URL": f"{simulator}/identity/1.0/connect/token",
            "NORCE_LOOKUP_CLIENT_ID": "simulator",
            "NORCE_LOOKUP_CLIENT_SECRET": "simulator",
            "NORCE_LOOKUP_SCOPE": "playground",
            "NORCE_LOOKUP_APPLICATIONS": json.dumps(applications()),
            "NORCE_CONSOLE_HOST": HOST,
            "NORCE_CONSOLE_WORKERS": json.dumps([self.url("worker")]),
            "NORCE_CONSOLE_PROCESSES": json.dumps(
                {name.replace(" ", "-"): [self.url(name)] for name in PROCESSES if name not in NOT_STAGES}
            ),
            "NORCE_CONSOLE_ACCOUNTS_FILE": str(self._accounts()),
            "NORCE_SIMULATOR_HOST": HOST,
            "NORCE_SIMULATOR_WEBHOOK_URL": f"{self.url('webhook')}/webhooks/norce",
            "NORCE_SIMULATOR_WEBHOOK_SECRET": secret,
        }


def fresh_folder(path: Path) -> Path:
    """An empty folder, as an absolute path; what an earlier run left in it goes."""
    path = path.absolute()
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _fresh_key(key_id: str) -> str:
    """A key ring with one key that nobody has had before: what a run seals, no later one can open."""
    return json.dumps({key_id: base64.b64encode(secrets.token_bytes(32)).decode()})


def _given(defaults: Mapping[str, str]) -> dict[str, str]:
    """Defaults, or what the environment says instead."""
    return {name: os.environ.get(name) or value for name, value in defaults.items()}
