"""Running the worker and the sinks as processes: checks first, then the Faust app until it is told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, NoReturn, cast

import faust
import structlog
from aiohttp import web

from pipeline import metrics_catalogue, rights, topics
from pipeline.agents import make_worker
from pipeline.connecting import run_and_close
from pipeline.contracts.registry import prefixes
from pipeline.domain import DEFAULT_POLICIES, PushPolicies
from pipeline.drift import DRIFT_TABLES, DRIFT_TOPICS
from pipeline.drift.app import make_drift_watch
from pipeline.engine import SliceApp
from pipeline.framing import FRAMED_CONTENT_TYPE
from pipeline.health import Health, HealthServer
from pipeline.listening import listen
from pipeline.lookup.app import make_lookup
from pipeline.privacy import PRIVACY_TOPICS, key_checks
from pipeline.privacy.app import make_privacy
from pipeline.query.tables import TableRoutes
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    KafkaSettings,
    LookupSettings,
    PrivacySettings,
    SchemaRegistrySettings,
    SettingsError,
    SinkSettings,
    WorkerSettings,
)
from pipeline.sinks import make_checkout_sink, make_connect_sink
from pipeline.sinks.app import SinkApp

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
"""Seconds that closing connections may take after the work under way got its time."""


def run_worker(kafka: KafkaSettings, settings: WorkerSettings, registry: SchemaRegistrySettings) -> NoReturn:
    """Run the order worker until SIGTERM or SIGINT.

    Raises:
        BrokerError, RegistryError, PortUnavailable, InvalidPolicy, OSError: before anything starts.
    """
    policies = read_policies(settings)
    rights.check(kafka, "worker", topics.catalogue((settings.group, topics.WORKER_TABLES)))
    app = make_worker(kafka, settings, policies)
    app.value_prefixes, app.prefixed_content_type = prefixes(registry), FRAMED_CONTENT_TYPE.encode()
    _run("worker", app, settings, routes=TableRoutes(app).add)


def run_connect_sink(kafka: KafkaSettings, settings: ConnectSettings) -> NoReturn:
    """Run the Connect sink until SIGTERM or SIGINT. Raises like :func:`run_worker`, and ``SettingsError``."""
    if settings.query_url is None:
        raise SettingsError(
            [(settings.variable("query_url"), "is not set: an order's status is read there to keep it")]
        )
    rights.check(kafka, "sink-connect", topics.catalogue((settings.group, topics.SINK_TABLES)))
    _run_sink(make_connect_sink(kafka, settings), settings)


def run_checkout_sink(kafka: KafkaSettings, settings: CheckoutSettings) -> NoReturn:
    """Run the Checkout sink until SIGTERM or SIGINT. Raises like :func:`run_worker`."""
    rights.check(kafka, "sink-checkout", topics.catalogue((settings.group, topics.SINK_TABLES)))
    _run_sink(make_checkout_sink(kafka, settings), settings)


def run_drift_watch(kafka: KafkaSettings, settings: DriftSettings) -> NoReturn:
    """Run the drift watch until SIGTERM or SIGINT. Raises like :func:`run_worker`."""
    rights.check(kafka, "drift", [*topics.catalogue((settings.group, DRIFT_TABLES)), *DRIFT_TOPICS])
    _run("drift", make_drift_watch(kafka, settings), settings)


def run_privacy(kafka: KafkaSettings, settings: PrivacySettings) -> NoReturn:
    """Run the privacy process until SIGTERM or SIGINT. Raises like :func:`run_worker`, and ``ChangedKey``."""
    rights.check(kafka, "privacy", [*topics.PUBLIC, *PRIVACY_TOPICS])
    run_and_close(key_checks.confirm(kafka, settings, first_use=True))
    _run("privacy", make_privacy(kafka, settings), settings)


def run_lookup(kafka: KafkaSettings, settings: LookupSettings) -> NoReturn:
    """Run the look-ups until SIGTERM or SIGINT. Raises like :func:`run_worker`."""
    rights.check(kafka, "lookup", topics.catalogue((settings.group, topics.LOOKUP_TABLES)))
    _run("lookup", make_lookup(kafka, settings), settings)


def read_policies(settings: WorkerSettings) -> PushPolicies:
    """The push policies of the configured file, or the default ones.

    Raises:
        InvalidPolicy: naming every place in the file that is wrong.
        OSError: the file cannot be read.
    """
    if settings.push_policy_file is None:
        return DEFAULT_POLICIES
    return PushPolicies.parse(settings.push_policy_file.read_bytes())


def _run_sink(app: SinkApp, settings: SinkSettings) -> NoReturn:
    _run("sinks", app, settings, lambda: app.waiting_for_norce)


def _run(
    process: str,
    app: SliceApp,
    settings: WorkerSettings | SinkSettings | DriftSettings | PrivacySettings,
    excused: Callable[[], bool] = lambda: False,
    routes: Callable[[web.UrlDispatcher], None] = lambda router: None,
) -> NoReturn:
    listener = listen(settings.host, settings.port)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    health = Health(app, settings.stall_timeout, excused)
    server = HealthServer(health, listener, routes, metrics_catalogue.registry(process))
    worker = _Worker(app, server, redirect_stdouts=False, override_logging=False, quiet=True)
    log.info("starting", group=app.conf.id, port=settings.port)
    raise SystemExit(worker.execute_from_commandline())


class _Worker(faust.Worker):
    """Faust's worker without its spinner, which writes to standard output, and with an end to stopping.

    Without brokers the Kafka client waits for ever, also for its last words. What is not committed by then is read
    again by the next process.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spinner = None

    def _flag_as_shutdown_by_signal(self) -> None:
        super()._flag_as_shutdown_by_signal()
        end = threading.Timer(cast(SliceApp, self.app).drain_seconds + STOP_SECONDS, self._end)
        end.daemon = True  # a thread of its own: the loop may be what hangs
        end.start()

    def _end(self) -> None:
        log.error("did not stop in time, ending without the brokers' leave", group=self.app.conf.id)
        os._exit(1)

    async def on_startup_finished(self) -> None:
        await super().on_startup_finished()
        log.info("ready", group=self.app.conf.id)
