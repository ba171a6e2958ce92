"""The connector's app: five routes by hand, since a router would cost more than they do."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

from connectors.webhook import answers
from connectors.webhook.answers import SENDER_GONE, Answer
from connectors.webhook.endpoint import Endpoint
from connectors.webhook.metrics import CONTENT_TYPE, Metrics
from connectors.webhook.readiness import Readiness
from connectors.webhook.rsgi import Exchange, Request

ENDPOINT = "/webhooks/norce"

_PREFIX = ENDPOINT + "/"
_JSON = ("content-type", "application/json")


class WebhookApp:
    """Routes requests, and writes the answers."""

    def __init__(
        self, endpoint: Endpoint, readiness: Readiness, metrics: Metrics, openapi: bytes, retry_after: int
    ) -> None:
        self._endpoint = endpoint
        self._readiness = readiness
        self._metrics = metrics
        self._openapi = openapi
        self._retry_after = ("retry-after", str(retry_after))
        self._hang_up_until = 0.0
        self._pages: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._expose,
            "/openapi.json": self._describe,
        }

    def hang_up(self, seconds: float) -> None:
        """Have senders close their connections after their next request, if it comes within so many seconds."""
        self._hang_up_until = time.monotonic() + seconds

    async def __rsgi__(self, request: Request, exchange: Exchange) -> None:
        path = request.path
        if path.startswith(_PREFIX):
            await self._webhook(request, exchange, path.removeprefix(_PREFIX).removesuffix("/"))
        elif path == ENDPOINT:
            await self._webhook(request, exchange, "")
        else:
            await self._page(request, exchange, path)

    async def _webhook(self, request: Request, exchange: Exchange, in_path: str) -> None:
        if "/" in in_path:
            self._answer(exchange, answers.NOT_FOUND)
        else:
            self._answer(exchange, await self._endpoint.handle(request, exchange, in_path), allow="POST")

    async def _page(self, request: Request, exchange: Exchange, path: str) -> None:
        page = self._pages.get(path)
        if page is None:
            self._answer(exchange, answers.NOT_FOUND)
        elif request.method not in ("GET", "HEAD"):
            self._answer(exchange, answers.METHOD_NOT_ALLOWED, allow="GET, HEAD")
        else:
            await page(exchange)

    def _answer(self, exchange: Exchange, answer: Answer, allow: str = "") -> None:
        if answer is SENDER_GONE:
            return
        headers = [*answer.headers]
        if answer.body:
            headers.append(_JSON)
        if answer.retry:
            headers.append(self._retry_after)
        if answer is answers.METHOD_NOT_ALLOWED:
            headers.append(("allow", allow))
        if self._hang_up_until > time.monotonic():
            headers.append(("connection", "close"))
        exchange.response_bytes(answer.status, headers, answer.body)

    async def _livez(self, exchange: Exchange) -> None:
        exchange.response_bytes(200, [_JSON], b'{"status": "alive"}')

    async def _readyz(self, exchange: Exchange) -> None:
        troubles = await self._readiness.troubles()
        status = "not ready" if troubles else "ready"
        body = json.dumps({"status": status, "troubles": troubles}).encode()
        headers = [_JSON, self._retry_after] if troubles else [_JSON]
        exchange.response_bytes(503 if troubles else 200, headers, body)

    async def _expose(self, exchange: Exchange) -> None:
        exchange.response_bytes(200, [("content-type", CONTENT_TYPE)], self._metrics.expose())

    async def _describe(self, exchange: Exchange) -> None:
        exchange.response_bytes(200, [_JSON], self._openapi)
