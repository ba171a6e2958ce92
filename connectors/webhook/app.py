"""The connector's ASGI app: five routes by hand, since a router would cost more than they do."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

from connectors.webhook import answers
from connectors.webhook.answers import SENDER_GONE, Answer
from connectors.webhook.asgi import Receive, Scope, Send, respond
from connectors.webhook.endpoint import Endpoint
from connectors.webhook.metrics import CONTENT_TYPE, Metrics
from connectors.webhook.readiness import Readiness

ENDPOINT = "/webhooks/norce"

_PREFIX = ENDPOINT + "/"


class WebhookApp:
    """Routes requests, and writes the answers."""

    def __init__(
        self, endpoint: Endpoint, readiness: Readiness, metrics: Metrics, openapi: bytes, retry_after: int
    ) -> None:
        self._endpoint = endpoint
        self._readiness = readiness
        self._metrics = metrics
        self._openapi = openapi
        self._retry_after = ((b"retry-after", b"%d" % retry_after),)
        self._hang_up_until = 0.0
        self._pages: dict[str, Callable[[Send], Awaitable[None]]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._expose,
            "/openapi.json": self._describe,
        }

    def hang_up(self, seconds: float) -> None:
        """Have senders close their connections after their next request, if it comes within so many seconds."""
        self._hang_up_until = time.monotonic() + seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(_PREFIX):
            await self._webhook(scope, receive, send, path.removeprefix(_PREFIX).removesuffix("/"))
        elif path == ENDPOINT:
            await self._webhook(scope, receive, send, "")
        else:
            await self._page(scope, send, path)

    async def _webhook(self, scope: Scope, receive: Receive, send: Send, in_path: str) -> None:
        if "/" in in_path:
            await self._answer(send, answers.NOT_FOUND)
        else:
            await self._answer(send, await self._endpoint.handle(scope, receive, in_path), allow=b"POST")

    async def _page(self, scope: Scope, send: Send, path: str) -> None:
        page = self._pages.get(path)
        if page is None:
            await self._answer(send, answers.NOT_FOUND)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._answer(send, answers.METHOD_NOT_ALLOWED, allow=b"GET, HEAD")
        else:
            await page(send)

    async def _answer(self, send: Send, answer: Answer, allow: bytes = b"") -> None:
        if answer is SENDER_GONE:
            return
        headers = answer.headers
        if answer.retry:
            headers += self._retry_after
        if answer is answers.METHOD_NOT_ALLOWED:
            headers += ((b"allow", allow),)
        if self._hang_up_until > time.monotonic():
            headers += ((b"connection", b"close"),)
        await respond(send, answer.status, answer.body, headers=headers)

    async def _livez(self, send: Send) -> None:
        await respond(send, 200, b'{"status": "alive"}')

    async def _readyz(self, send: Send) -> None:
        troubles = await self._readiness.troubles()
        status = "not ready" if troubles else "ready"
        body = json.dumps({"status": status, "troubles": troubles}).encode()
        await respond(send, 503 if troubles else 200, body, headers=self._retry_after if troubles else ())

    async def _expose(self, send: Send) -> None:
        await respond(send, 200, self._metrics.expose(), CONTENT_TYPE)

    async def _describe(self, send: Send) -> None:
        await respond(send, 200, self._openapi)
