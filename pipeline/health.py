"""The port of a worker or sink: is it alive, is it ready, and its metrics.

Alive means that work moves: a process that answers while its consumer is stuck would never be restarted.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import prometheus_client
from aiohttp import web
from mode import Service
from prometheus_client import CollectorRegistry

from pipeline import metrics
from pipeline.engine import SliceApp
from pipeline.engine.slices import TopicPartition


class Health:
    """Watches an app: what it has committed, what waits, and since when nothing moved."""

    def __init__(
        self,
        app: SliceApp,
        stall_timeout: float,
        excused: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._stall_timeout = stall_timeout
        self._excused = excused
        self._clock = clock
        self._moved_at = clock()
        self._seen: dict[TopicPartition, int] = {}

    def lag(self) -> dict[TopicPartition, int]:
        """Records between the committed offset and the end, of the partitions read so far.

        Of those that are this process's: another one tells of what has moved there. As before while they are assigned.
        """
        if self._app._consumer is None:
            return {}
        consumer = self._app.slice_consumer
        committed, ends = consumer.committed(), consumer.end_offsets
        ours = ends if self._app.rebalancing else consumer.assignment()
        return {tp: max(end - committed.get(tp, 0), 0) for tp, end in ends.items() if tp in ours}

    def ready(self) -> str | None:
        """Why the app is not ready, ``None`` if it is."""
        if self._app.rebalancing:
            return "partitions are being assigned"
        if not self._app.tables.actives_ready:
            return "tables are being restored"
        return None

    def alive(self) -> str | None:
        """Why the app should be restarted, ``None`` if it should not."""
        done = self._app.slices.committable()
        restoring = self.ready() is not None
        if done != self._seen or restoring or self._excused() or not any(self._app.slices.unfinished().values()):
            self._seen, self._moved_at = done, self._clock()
            return None
        still = self._clock() - self._moved_at
        return f"work waits and nothing was finished for {still:.0f} s" if still > self._stall_timeout else None

    def measure(self) -> None:
        """Bring the gauges up to date."""
        metrics.READY.set(self.ready() is None)
        for gauge in (metrics.LAG, metrics.UNFINISHED):
            gauge.clear()  # of partitions that have moved away
        for tp, behind in self.lag().items():
            metrics.LAG.labels(tp.topic, tp.partition).set(behind)
            metrics.UNFINISHED.labels(tp.topic, tp.partition).set(self._app.slices.unfinished().get(tp, 0))
            metrics.OLDEST.labels(tp.topic).set(0)
        for topic, written_at in self._app.slices.oldest().items():
            metrics.OLDEST.labels(topic).set(max(time.time() - written_at / 1000, 0))
        skipped = {} if self._app._consumer is None else self._app.slice_consumer.skipped
        for tp, offsets in skipped.items():
            metrics.SKIPPED.labels(tp.topic, tp.partition).set(offsets)


class HealthServer(Service):
    """Serves ``/livez``, ``/readyz`` and ``/metrics`` from before the app starts until after it stopped.

    ``routes`` adds what else the process answers, ``told`` are its metrics.
    """

    def __init__(
        self,
        health: Health,
        listener: socket.socket,
        routes: Callable[[web.UrlDispatcher], None] = lambda router: None,
        told: CollectorRegistry = prometheus_client.REGISTRY,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._health = health
        self._listener = listener
        self._routes = routes
        self._told = told

    async def on_start(self) -> None:
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._routes(application.router)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def on_stop(self) -> None:
        await self._runner.cleanup()

    async def _livez(self, request: web.Request) -> web.Response:
        return _answer(self._health.alive())

    async def _readyz(self, request: web.Request) -> web.Response:
        return _answer(self._health.ready())

    async def _metrics(self, request: web.Request) -> web.Response:
        self._health.measure()
        return web.Response(
            body=prometheus_client.generate_latest(self._told),
            headers={"content-type": prometheus_client.CONTENT_TYPE_LATEST},
        )


def _answer(trouble: str | None) -> web.Response:
    if trouble is None:
        return web.json_response({"status": "ok"})
    return web.json_response({"status": "unavailable", "reason": trouble}, status=503)
