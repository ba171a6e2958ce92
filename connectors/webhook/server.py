"""Runs the connector as one process until it is told to stop.

The server is granian, embedded: HTTP in Rust, the app and the Kafka producer on one event loop, and no child process
that could outlive its parent. What decided against uvicorn, which is as fast within the noise: it limits neither the
time that request headers take nor their size, so slow senders would pile up.

granian bounds connections, not requests (a connection counts until it closes, also when idle). It closes a connection
that sends no complete head in time, so an idle one too: a proxy in front must give up idle connections sooner. It
answers 431 to more than 100 headers. When stopped it refuses new connections, closes idle ones and finishes what it
has begun.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import signal
import socket
from typing import NoReturn

import structlog
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from connectors.webhook.app import WebhookApp
from connectors.webhook.endpoint import Endpoint
from connectors.webhook.errors import CannotListen, PortInUse
from connectors.webhook.metrics import Metrics
from connectors.webhook.openapi import openapi_document
from connectors.webhook.outage import Outage
from connectors.webhook.publisher import Publisher
from connectors.webhook.readiness import Readiness
from connectors.webhook.records import RecordFactory
from pipeline.events import TOPICS
from pipeline.settings import KafkaSettings, WebhookSettings
from pipeline.topics import QUARANTINE

log = structlog.get_logger(__name__)

CONNECTIONS_PER_REQUEST = 2
"""Connections allowed per request allowed in flight, so that one too many is told 503 instead of left waiting."""

BACKLOG = 1024
"""Connections that the kernel keeps waiting beyond that."""

HEADER_BYTES = 32_768
"""Read buffer of a connection, so also the largest request head."""

SPARE_DESCRIPTORS = 128
"""Files and sockets that are not senders' connections."""


_SERVER_LOGS = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},  # to where all others go
}


def serve(webhook: WebhookSettings, kafka: KafkaSettings) -> int:
    """Take webhooks until SIGTERM or SIGINT, then finish what was begun.

    An unreachable Kafka does not end it: requests are answered 503 until Kafka is there.

    Returns:
        The process's exit code: 0 when every request was finished, 1 when the time for that ran out or the server
        ended by itself.

    Raises:
        PortInUse: another process listens on the port; found out before anything else is started.
        CannotListen: the address is not this machine's, or the port is not allowed.
    """
    address = free_address(webhook.host, webhook.port)
    return uvloop.run(_serve(address, webhook, kafka))


async def _serve(address: str, webhook: WebhookSettings, kafka: KafkaSettings) -> int:
    metrics = Metrics()
    publisher = Publisher(kafka, webhook, (*TOPICS, QUARANTINE), metrics)
    outage = Outage(webhook.retry_delays)
    endpoint = Endpoint(webhook, publisher, RecordFactory(webhook.source), metrics, outage)
    readiness = Readiness(publisher)
    metrics.watch(lambda: endpoint.in_flight, lambda: publisher.unacknowledged, outage)
    app = WebhookApp(endpoint, readiness, metrics, openapi_document(webhook), webhook.retry_after)
    publishing = asyncio.create_task(publisher.run(), name="kafka publisher")
    serving = _server(app, address, webhook)
    try:
        finished = await _run(serving, publishing, webhook, readiness)
    finally:
        publishing.cancel()
        await publisher.close(webhook.produce_timeout)
    log.info("webhook connector stopped", finished=finished)
    return 0 if finished else 1


async def _run(
    server: Server, publishing: asyncio.Task[NoReturn], webhook: WebhookSettings, readiness: Readiness
) -> bool:
    """Serve until told to stop; says whether every request was finished then."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    server.on_startup(lambda: log.info("webhook connector listens", host=webhook.host, port=webhook.port))
    serving = asyncio.create_task(server.serve(), name="http server")
    telling = asyncio.create_task(told.wait())
    ended, _ = await asyncio.wait([serving, publishing, telling], return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    for task in ended - {telling}:
        log.error("a part of the connector ended by itself", part=task.get_name(), error=repr(task.exception()))
    readiness.stopping = True
    log.info("webhook connector stops", drain_seconds=webhook.drain_timeout)
    server.stop()  # type: ignore[no-untyped-call]
    drained, _ = await asyncio.wait([serving], timeout=webhook.drain_timeout)
    return bool(drained) and ended == {telling}


def _server(app: WebhookApp, address: str, webhook: WebhookSettings) -> Server:
    return Server(
        app,
        address=address,
        port=webhook.port,
        interface=Interfaces.ASGINL,
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


def free_address(host: str, port: int) -> str:
    """The numeric address of ``host``, after a look whether it can be listened on.

    granian shares a port with any other process that allows it, so a second connector would start without a word and
    take half of the first one's requests.

    Raises:
        PortInUse, CannotListen
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does; without it the last minute's closed connections would count as in use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise CannotListen(host, port, error.strerror or str(error)) from error
    return str(address[0])
