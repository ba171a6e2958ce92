"""Runs the connector as one process until it is told to stop.

The server is granian, embedded: HTTP and TLS in Rust, the app and the Kafka producer on one event loop, and no child
process that could outlive its parent. What decided against uvicorn, which is as fast within the noise: it limits
neither the time that request headers take nor their size, so slow senders would pile up.

granian bounds connections, not requests (a connection counts until it closes, also when idle). It closes a connection
that sends no complete head in time, so an idle one too: a proxy in front must give up idle connections sooner. It
answers 431 to more than 100 headers. When stopped it refuses new connections, closes idle ones and finishes what it
has begun.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NoReturn

import structlog
import uvloop
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server

from connectors.webhook.app import WebhookApp
from connectors.webhook.endpoint import Endpoint
from connectors.webhook.listening import BACKLOG, Port
from connectors.webhook.metrics import Metrics
from connectors.webhook.openapi import openapi_document
from connectors.webhook.outage import Outage
from connectors.webhook.patience import Patience
from connectors.webhook.publisher import Publisher
from connectors.webhook.readiness import Readiness
from connectors.webhook.records import RecordFactory
from connectors.webhook.rotation import Rotation, check_certificate
from pipeline.events import TOPICS
from pipeline.garbage import spare_the_start
from pipeline.settings import KafkaSettings, WebhookSettings
from pipeline.topics import QUARANTINE

log = structlog.get_logger(__name__)

CONNECTIONS_PER_REQUEST = 2
"""Connections allowed per request allowed in flight, so that one too many is told 503 instead of left waiting."""

HEADER_BYTES = 32_768
"""Read buffer of a connection, so also the largest request head."""

SPARE_SECONDS = 1.0
"""Seconds that granian may begin later to count those after which it stops a worker that was replaced."""

MIN_TLS = SSLProtocols.tls12
"""TLS 1.3 alone would shut out senders on older systems."""

SPARE_DESCRIPTORS = 128
"""Files and sockets that are not senders' connections."""


_SERVER_LOGS = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},  # to where all others go
}


class RenewableServer(Server):
    """granian, which takes another certificate without refusing or cutting off anybody.

    It does that with a second worker, which takes connections before the first one stops. A stopping worker drops
    connections that are shaking hands, and closes idle ones, on which the next request may just be coming: so it gets
    no more connections some seconds before, and answers ask senders for a new one.
    """

    def __init__(self, app: WebhookApp, webhook: WebhookSettings, port: Port, **options: Any) -> None:
        self._app = app
        self._files = webhook.tls_cert_file, webhook.tls_key_file
        self._port = port
        certificate, key = self._files
        super().__init__(app, ssl_cert=certificate, ssl_key=key, ssl_protocol_min=MIN_TLS, **options)

    def _init_shared_socket(self) -> None:
        """There is one already."""

    def _spawn_worker(self, *arguments: Any, **options: Any) -> Any:
        holder: Any = SocketHolder  # its stub lacks what its pickling says
        self._shd = holder(self._port.give(), False, BACKLOG)
        return super()._spawn_worker(*arguments, **options)

    def renew(self) -> None:
        """Serve connections from now on with what the files of the certificate hold now; they have to be usable."""
        self.build_ssl_context(*self._files, None, MIN_TLS, None, [], False)
        self._app.hang_up(self.respawn_interval + SPARE_SECONDS)
        self.reload()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Refuse new connections, close idle ones and finish what was begun."""
        self._port.close()
        super().stop()  # type: ignore[no-untyped-call]


def serve(webhook: WebhookSettings, kafka: KafkaSettings) -> int:
    """Take webhooks until SIGTERM or SIGINT, then finish what was begun.

    An unreachable Kafka does not end it: requests are answered 503 until Kafka is there.

    Returns:
        The process's exit code: 0 when every request was finished, 1 when the time for that ran out or the server
        ended by itself.

    Raises:
        PortInUse: another process listens on the port; found out before anything else is started.
        CannotListen: the address is not this machine's, or the port is not allowed.
        UnusableCertificate: the files of the certificate are none.
    """
    check_certificate(webhook)
    with closing(Port(webhook.host, webhook.port)) as port:
        return uvloop.run(_serve(port, webhook, kafka))


async def _serve(port: Port, webhook: WebhookSettings, kafka: KafkaSettings) -> int:
    metrics = Metrics()
    publisher = Publisher(kafka, webhook, (*TOPICS, QUARANTINE), metrics)
    outage = Outage(webhook.retry_delays)
    uploads = Patience(webhook.body_timeout)
    endpoint = Endpoint(webhook, publisher, RecordFactory(webhook.source), metrics, outage, uploads)
    readiness = Readiness(publisher)
    metrics.watch(lambda: endpoint.in_flight, lambda: publisher.unacknowledged, outage)
    app = WebhookApp(endpoint, readiness, metrics, openapi_document(webhook), webhook.retry_after)
    parts = [
        asyncio.create_task(publisher.run(), name="kafka publisher"),
        asyncio.create_task(uploads.run(), name="late uploads"),
    ]
    server = _server(app, port, webhook)
    rotation = Rotation(webhook, endpoint.secret, server.renew, metrics)
    watching = asyncio.create_task(rotation.run(), name="rotation")
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rotation.hurry)
    try:
        finished = await _run(server, parts, webhook, readiness)
    finally:
        for task in (*parts, watching):
            task.cancel()
        await publisher.close(webhook.produce_timeout)
    log.info("webhook connector stopped", finished=finished)
    return 0 if finished else 1


async def _run(
    server: RenewableServer, parts: Sequence[asyncio.Task[NoReturn]], webhook: WebhookSettings, readiness: Readiness
) -> bool:
    """Serve until told to stop; says whether every request was finished then."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    spare_the_start()
    server.on_startup(lambda: log.info("webhook connector listens", host=webhook.host, port=webhook.port))
    serving = asyncio.create_task(server.serve(), name="http server")
    telling = asyncio.create_task(told.wait())
    ended, _ = await asyncio.wait([serving, *parts, telling], return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    for task in ended - {telling}:
        log.error("a part of the connector ended by itself", part=task.get_name(), error=repr(task.exception()))
    readiness.stopping = True
    log.info("webhook connector stops", drain_seconds=webhook.drain_timeout)
    server.stop()
    drained, _ = await asyncio.wait([serving], timeout=webhook.drain_timeout)
    return bool(drained) and ended == {telling}


def _server(app: WebhookApp, port: Port, webhook: WebhookSettings) -> RenewableServer:
    return RenewableServer(
        app,
        webhook,
        port,
        interface=Interfaces.RSGI,
        # HTTP/2 without TLS needs a sender that was told so beforehand; none of the limits would hold for it.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(webhook.header_timeout * 1000), max_buffer_size=HEADER_BYTES
        ),
        websockets=False,
        backlog=BACKLOG,
        backpressure=_connections(webhook.max_in_flight * CONNECTIONS_PER_REQUEST),
        log_level=LogLevels.error,
        log_dictconfig=_SERVER_LOGS,
    )


def _connections(wanted: int) -> int:
    """As many connections as wanted, or as the limit on open files leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return max(1, min(wanted, needed - SPARE_DESCRIPTORS))
